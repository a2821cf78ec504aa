"""Paths into one object, of which no two may overlap: the same one, or one within the other."""

from collections.abc import Iterable

from thing_operator.shadow.pointers import Path


class PathIndex:
    """Paths, asked for overlaps with another one: in steps of that one's length, however many there are."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths: set[Path] = set()
        self._below: dict[Path, Path] = {}
        """For everything that lies above a path, the first such path."""
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """One more path."""
        self._paths.add(path)
        for length in range(len(path)):
            self._below.setdefault(path[:length], path)

    def overlapping(self, path: Path) -> Path | None:
        """One of them that is this path, or lies above or below it; None when there is none."""
        above = (path[:length] for length in range(len(path) + 1))
        return next((each for each in above if each in self._paths), self._below.get(path))
