"""The status of an object as its kind's model, parsed once until it changes."""

from typing import Generic, TypeVar

from pydantic import BaseModel

from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_writer import StatusWriter

Status = TypeVar("Status", bound=BaseModel)


class ParsedStatuses(Generic[Status]):
    """What the API server holds, of at most ``limit`` objects looked at lately: a pass asks several times, and
    parsing is dear.
    """

    def __init__(self, writer: StatusWriter, model: type[Status], *, limit: int) -> None:
        self._writer = writer
        self._model = model
        self._limit = limit
        self._parsed: dict[int, tuple[bytes, Status]] = {}
        """By the id of what it was parsed from, which is kept beside it so that the id stays its own."""

    def of(self, target: ObjectRef) -> Status:
        """The status of one object; the model's defaults where there is none."""
        return self._parse(self._writer.held(target))

    def possible(self, target: ObjectRef) -> tuple[Status, ...]:
        """All that the API server may hold until the next write: what it holds, and what is on its way."""
        return tuple(map(self._parse, self._writer.possible(target)))

    def _parse(self, held: bytes) -> Status:
        parsed = self._parsed.get(id(held))
        if parsed is None or parsed[0] is not held:
            if len(self._parsed) >= self._limit:
                self._parsed.clear()
            parsed = self._parsed[id(held)] = (held, self._model.model_validate(decode(held)))
        return parsed[1]
