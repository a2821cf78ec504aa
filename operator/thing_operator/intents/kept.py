"""Intents that stand in a log, until what the API server holds of their Things makes them void. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectRef
from thing_operator.intents.intent import Intent

EncodedStatus = bytes


@dataclass(frozen=True, slots=True)
class Sight:
    """What the log asks of the Things: which there are, what the API server holds of them, and which are ours."""

    refs: Callable[[], Iterable[ObjectRef]]
    exists: Callable[[ObjectRef], bool]
    status: Callable[[ObjectRef], EncodedStatus | None]
    """As JSON; None when it is not known."""
    runs: Callable[[str, str], bool]
    """Whether this process runs the Things of a namespace, and the one of a uid in it, and has listed them, so that
    what it does not see is deleted.
    """
    may_write: Callable[[str, str], bool]
    """Whether a Thing of this namespace and uid is so certainly ours that it may be written of."""


@dataclass(slots=True)
class Kept:
    """An intent that stands in a log; ``held``: the status that it was held against last."""

    ref: ObjectRef
    intent: Intent
    held: EncodedStatus | None = field(default=None, repr=False)

    def is_void(self, sight: Sight) -> bool:
        """Whether the Thing is deleted, or its status has moved on. What cannot be known leaves it as it is."""
        if not sight.exists(self.ref):
            return sight.runs(self.intent.namespace, self.ref.uid)
        status = sight.status(self.ref)
        if status is None or status is self.held:
            return False
        self.held = (
            status  # the same object says the same: a log of thousands is looked through again and again
        )
        return not self.intent.stands(decode(status))


def drop_void(table: dict[str, Kept], sight: Sight) -> None:
    """Take out of a table by uid what is void."""
    for uid in [uid for uid, kept in table.items() if kept.is_void(sight)]:
        del table[uid]
