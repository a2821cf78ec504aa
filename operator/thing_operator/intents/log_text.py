"""The log's text: how intents are written, how much room they take, and what is read of them. Pure.

Things of one kind manage the same paths, so each list of them stands once, and intents name it by its place:

    {"format": 1, "paths": [["/setpoint"], []], "things": {"NAMESPACE": {"UID": [GENERATION, 0, 1, "BASIS", ACCEPTED]}}}
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationError

from thing_operator.core.errors import UserError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.reasons import Reason
from thing_operator.intents.intent import Intent
from thing_operator.twin.managed_paths import ManagedPaths

FORMAT: Final = 1
LOG_LIMIT: Final = 512 * 1024
"""Bytes of a log, some 4,000 Things on their way: half of what the API server takes of a ConfigMap."""
INTENT_LIMIT: Final = 4 * 1024
"""Bytes of one intent: a Thing with more paths writes its status twice rather than crowd out a hundred others."""

_FRAME: Final = 64
_INTENT: Final = 120
"""Bytes of an intent without its paths: a uid, a basis, numbers and punctuation."""

_Place = Annotated[int, Field(ge=0)]


class UnreadableLogError(UserError):
    """A log that this version cannot read."""

    reason = Reason.API_SERVER_REFUSED


class _Log(BaseModel):
    format: int
    paths: tuple[tuple[str, ...], ...]
    things: dict[str, dict[str, tuple[int, _Place, _Place, str, int | None]]]


Intents = Mapping[str, Intent]
"""By the uid of the Thing."""


def write_log(intents: Intents) -> str:
    """The text of a log with these intents."""
    places: dict[tuple[str, ...], int] = {}
    things: dict[str, dict[str, list[int | str | None]]] = {}
    for uid, intent in intents.items():
        desired, reported = (
            places.setdefault(paths, len(places))
            for paths in (intent.managed.desired, intent.managed.reported)
        )
        row: list[int | str | None] = [intent.generation, desired, reported, intent.basis, intent.accepted]
        things.setdefault(intent.namespace, {})[uid] = row
    return encode({"format": FORMAT, "paths": list(places), "things": things}).decode()


def read_log(text: str) -> dict[str, Intent]:
    """The intents of a log. Raises UnreadableLogError, also for one that a newer version has written."""
    try:
        found = decode(text.encode())
    except ValueError:
        raise UnreadableLogError("it is no JSON") from None
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise UnreadableLogError(f"it has format {version}, of a newer version of the operator")
    try:
        log = _Log.model_validate(found)
        return {
            uid: Intent(
                namespace, generation, ManagedPaths(log.paths[desired], log.paths[reported]), basis, accepted
            )
            for namespace, things in log.things.items()
            for uid, (generation, desired, reported, basis, accepted) in things.items()
        }
    except (ValidationError, IndexError):
        raise UnreadableLogError("it is not of the form that the operator writes") from None


def fit(kept: Intents, new: Intents) -> dict[str, Intent]:
    """What a log that has to keep ``kept`` can hold of ``new`` besides; in the order of ``new``."""
    measure = _Measure()
    for intent in kept.values():
        measure.add(intent)
    taken: dict[str, Intent] = {}
    for uid, intent in new.items():
        if _size_of(intent) <= INTENT_LIMIT and measure.size + measure.growth(intent) <= LOG_LIMIT:
            measure.add(intent)
            taken[uid] = intent
    return taken


class _Measure:
    """Bytes that a log takes at most."""

    def __init__(self) -> None:
        self.size = _FRAME
        self._paths: set[tuple[str, ...]] = set()
        self._namespaces: set[str] = set()

    def growth(self, intent: Intent) -> int:
        new = {intent.managed.desired, intent.managed.reported} - self._paths
        namespace = 0 if intent.namespace in self._namespaces else len(intent.namespace) + len('"":{},')
        return _INTENT + namespace + sum(len(encode(paths)) + 1 for paths in new)

    def add(self, intent: Intent) -> None:
        self.size += self.growth(intent)
        self._paths |= {intent.managed.desired, intent.managed.reported}
        self._namespaces.add(intent.namespace)


def _size_of(intent: Intent) -> int:
    return _Measure().growth(intent)
