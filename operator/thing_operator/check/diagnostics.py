"""What a check has to say, and where."""

from dataclasses import dataclass, replace
from typing import Final, Self

from thing_operator.shadow.pointers import to_pointer

Place = tuple[str | int, ...]
"""Keys and indices from the top of a document; the empty place is the whole."""

_FREE: Final = frozenset({("spec", "desired"), ("device", "reported")})
"""Where any JSON may stand: the last two names on the way to it."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One thing that is wrong. ``line`` counts from 1; ``subject`` is the object, such as ``Thing plant/freezer-1``."""

    file: str
    line: int
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a place of a document, by whose line it is found; ``message`` names the place itself.

    ``text_only`` is the message where nothing but a text may stand, if it is another one.
    """

    place: Place
    message: str
    text_only: str | None = None

    @classmethod
    def at(cls, place: Place, words: str, *, text_only: str | None = None) -> Self:
        """With the place before the words."""
        field = field_text(place)
        before = f"{field}: " if field else ""
        return cls(place, f"{before}{words}", text_only and f"{before}{text_only}")

    def where_text_belongs(self) -> Self:
        """The flaw as it is said of a field that takes a text and nothing else."""
        return replace(self, message=self.text_only or self.message)


def field_text(place: Place) -> str:
    """A place as messages name it: ``spec.device.simulate[0].every``, and in free JSON ``spec.desired/a/0``."""
    text = ""
    is_free = False
    for position, part in enumerate(place):
        if is_free:
            text += to_pointer((str(part),))
        else:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        is_free = is_free or place[position - 1 : position + 1] in _FREE
    return text.removeprefix(".")
