"""One account of the memory that objects of the cluster and messages of brokers can make the operator hold.

Each thing held has its own bound; the account is for many of them together. No namespace can take it all: it may hold
as much as is still free after it has, so alone half of the budget, and two greedy ones a third each. Whoever is
refused says so on its object, and tries again by the slow timer of what is amiss.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason

_KIB: Final = 1024
_MIB: Final = 1024 * 1024


class Held(StrEnum):
    """What memory is held for."""

    SPEC = "spec"
    """Specs of Things and ThingBatches, as the cache keeps them."""
    CA = "ca"
    """CAs that Things name, and the TLS contexts made of them."""
    ZIP = "zip"
    """Batch zips and what is unpacked of them, while they are imported."""
    SHADOW = "shadow"
    """Shadow documents of sessions."""
    JOB = "job"
    """Documents of jobs, while the twin's own program is at them."""


class MemoryBudgetExceededError(UserError):
    """The namespace may not hold more for now: somebody has to make room."""

    reason = Reason.MEMORY_BUDGET_EXCEEDED


class Holding:
    """Bytes on the account: given back by ``release``, by the end of its ``with`` block, or once nobody has it."""

    __slots__ = ("_budget", "kind", "namespace", "size")

    def __init__(self, budget: "MemoryBudget", kind: Held, namespace: str) -> None:
        self._budget = budget
        self.kind = kind
        self.namespace = namespace
        self.size = 0

    def resize(self, size: int) -> None:
        """Hold so many bytes from now on. Raises MemoryBudgetExceededError, and then holds what it did."""
        self._budget._change(self, size)

    def release(self) -> None:
        """Give all of it back. May be called twice, and it may grow again."""
        self._budget._change(self, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


class MemoryBudget:
    """``total`` bytes for all namespaces. Belongs to the event loop's thread."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._of_kind: Counter[Held] = Counter()
        self._of_namespace: Counter[str] = Counter()

    def hold(self, kind: Held, namespace: str, size: int = 0) -> Holding:
        """Take ``size`` bytes for something of this namespace. Raises MemoryBudgetExceededError."""
        holding = Holding(self, kind, namespace)
        holding.resize(size)
        return holding

    @property
    def used(self) -> Mapping[Held, int]:
        """Bytes by kind; all kinds are there."""
        return {kind: self._of_kind[kind] for kind in Held}

    def _change(self, holding: Holding, size: int) -> None:
        growth = size - holding.size
        if growth > 0 and self._of_namespace[holding.namespace] + growth > self._free - growth:
            raise MemoryBudgetExceededError(
                f"no memory for {_words(size)} more of {holding.kind}: the Things and ThingBatches of namespace "
                f"{holding.namespace} together hold its share of memoryBudget ({_words(self.total)}) already; have "
                "fewer or smaller ones, or raise it in the operator's configuration"
            )
        holding.size = size
        self._of_kind[holding.kind] += growth
        self._of_namespace[holding.namespace] += growth
        if not self._of_namespace[holding.namespace]:
            del self._of_namespace[holding.namespace]

    @property
    def _free(self) -> int:
        return self.total - self._of_kind.total()


def _words(size: int) -> str:
    """Rounded up, as people write sizes."""
    for unit, name in ((_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit:
            return f"{-(-size // unit)} {name}"
    return f"{size} bytes"
