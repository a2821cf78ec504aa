"""The status of an object as its kind's model, parsed once until it changes."""

from functools import lru_cache
from typing import Generic, TypeVar

from pydantic import BaseModel

from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_entry import Encoded
from thing_operator.kube.status_writer import StatusWriter

Status = TypeVar("Status", bound=BaseModel)


class ParsedStatuses(Generic[Status]):
    """What a status writer knows, as models; the ``limit`` that were asked for last are kept parsed.

    A reconcile asks several times, and parsing is dear. The models are shared: they are not to be changed.
    """

    def __init__(self, writer: StatusWriter, model: type[Status], *, limit: int) -> None:
        def parse(status: Encoded) -> Status:
            return model.model_validate(decode(status))

        self._writer = writer
        # By the bytes, whose hash is kept with them: the same object is found without a look at its text.
        self._parse = lru_cache(maxsize=limit)(parse)

    def current(self, ref: ObjectRef) -> Status:
        """What the API server holds; the model's defaults of an object that is not known."""
        return self._parse(self._writer.current(ref))

    def unwritten(self, ref: ObjectRef) -> Status:
        """What was decided last, while the API server may not have it; the model's defaults for nothing."""
        return self._parse(self._writer.unwritten(ref))
