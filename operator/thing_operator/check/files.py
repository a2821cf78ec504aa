"""Files, folders and stdin as texts to check."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from thing_operator.check.checking import SourceText
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason

_STDIN: Final = Path("-")
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_LARGEST: Final = 64 << 20
"""Bytes of one file: tens of thousands of Things."""


def read_texts(paths: Iterable[Path]) -> Iterator[SourceText]:
    """What the paths hold: a file whatever it is called, a folder with all below it that is YAML or JSON by its name.

    In a folder, what begins with a dot is left out, and so are a Helm chart's templates, which are no YAML before they
    are rendered. Raises ToolError.
    """
    for path in dict.fromkeys(paths):
        for file in _files(path):
            yield SourceText("stdin" if file == _STDIN else str(file), _text(file))


def _files(path: Path) -> list[Path]:
    if path == _STDIN or not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix in _SUFFIXES and file.is_file() and not _is_left_out(file, path)
    )


def _is_left_out(file: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    charts = (parent.parent / "Chart.yaml" for parent in file.parents if parent.name == "templates")
    return is_hidden or any(chart.is_file() for chart in charts)


def _text(file: Path) -> str:
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(_LARGEST + 1)
    except OSError as error:
        raise ToolError(f"cannot read {file}: {in_words(error)}", reason=ToolReason.UNREADABLE) from None
    if len(content) > _LARGEST:
        raise ToolError(
            f"{file} is larger than {_LARGEST >> 20} MiB: check it in parts", reason=ToolReason.UNREADABLE
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ToolError(
            f"{file} is no text in UTF-8: save it as that", reason=ToolReason.UNREADABLE
        ) from None
