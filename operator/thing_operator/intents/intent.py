"""What one Thing is about to manage, beside the status that does not say so yet. Pure.

A status is the memory of a Thing: the keys that it has set in its shadow. What is about to be set stands in the log
until the status has it. An intent names the state of that memory which it began from, its *basis*: where the status
has moved on since, the status says all there is to know, and the intent is void.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from thing_operator.core.json_bytes import encode
from thing_operator.twin.managed_paths import ManagedPaths

Status = Mapping[str, Any]

_BASIS_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Intent:
    """The paths that one generation of a Thing is about to manage, those of before included; never a value.

    ``namespace``: the Thing's; ``basis``: a digest of what the status that it began from remembers; ``accepted``: the
    newest generation that was accepted by then, None for none.
    """

    namespace: str
    generation: int
    managed: ManagedPaths
    basis: str
    accepted: int | None = None

    @classmethod
    def beside(cls, status: Status, managed: ManagedPaths, *, namespace: str, generation: int) -> Self:
        """The intent of a Thing that has this status, as JSON."""
        return cls(namespace, generation, managed, _basis_of(status), _accepted_generation(status))

    def stands(self, status: Status) -> bool:
        """Whether the status does not know of it yet: else it is void.

        A status by which a newer generation was accepted does. One that is not Ready may say so for any reason.
        """
        accepted = _accepted_generation(status)
        return _basis_of(status) == self.basis and (accepted is None or accepted <= (self.accepted or 0))


def _basis_of(status: Status) -> str:
    """Of the managed paths, and when they were accepted. A report or a condition changes nothing of that."""
    memory = [
        status.get("managedPaths") or [],
        status.get("managedReportedPaths") or [],
        status.get("acceptedTime"),
    ]
    return hashlib.sha256(encode(memory)).hexdigest()[:_BASIS_LENGTH]


def _accepted_generation(status: Status) -> int | None:
    """The newest that the status names. Ready counts, too: earlier versions know of nothing else, and read our log."""
    named = [status.get("acceptedGeneration")] + [
        condition.get("observedGeneration")
        for condition in status.get("conditions") or ()
        if condition.get("type") == "Ready" and condition.get("status") == "True"
    ]
    return max(filter(None, named), default=None)
