"""What each reason means and what to do about it, from the table ``reasons.toml``."""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from thing_operator.core.reasons import Reason


class Carrier(StrEnum):
    """Where a reason is to be seen: in the conditions of a kind, or in Events alone."""

    THING = "Thing"
    THING_BATCH = "ThingBatch"
    EVENT = "Event"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One row, in Markdown; ``symptom`` and ``remedy`` are None where nothing is wrong."""

    reason: Reason
    topic: str
    carriers: frozenset[Carrier]
    symptom: str | None
    cause: str
    remedy: str | None


@cache
def explanations() -> tuple[Explanation, ...]:
    """All rows in the order of the table. Raises ValueError for a word that is no reason or no carrier."""
    table = tomllib.loads(files(__package__).joinpath("reasons.toml").read_text(encoding="utf-8"))
    return tuple(
        Explanation(
            reason=Reason(word),
            topic=topic,
            carriers=frozenset(map(Carrier, row["kinds"])),
            symptom=row.get("symptom"),
            cause=row["cause"],
            remedy=row.get("remedy"),
        )
        for topic, rows in table.items()
        for word, row in rows.items()
    )
