"""The status of an object as its kind's model, parsed once until it changes."""

import json
from typing import Generic, TypeVar

from pydantic import BaseModel

from thing_operator.controller.status_writer import StatusWriter, Target

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

    def of(self, target: Target) -> Status:
        """The status of one object; the model's defaults where there is none."""
        held = self._writer.held(target)
        parsed = self._parsed.get(id(held))
        if parsed is None or parsed[0] is not held:
            if len(self._parsed) >= self._limit:
                self._parsed.clear()
            parsed = self._parsed[id(held)] = (held, self._model.model_validate(json.loads(held)))
        return parsed[1]
