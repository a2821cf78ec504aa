"""What keeps a Thing from Ready."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a Thing from Ready. ``stalled``: a person must act, time does not heal it.

    ``ends_at``: when it ends by itself, None for a time that nobody knows.
    """

    reason: Reason
    message: str
    stalled: bool
    ends_at: datetime | None = None

    @classmethod
    def of(cls, error: UserError) -> Self:
        """What a person has to mend, as an error says it."""
        return cls(error.reason, error.message, stalled=True)
