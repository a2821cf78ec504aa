"""What each reason means and what to do about it, from the table ``reasons.toml``."""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

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
    return _rows(_text())


def explanation_of(reason: str) -> Explanation | None:
    """The row of a reason, None where it has none. The others are not read: all take a command 30 ms."""
    found = re.search(rf'^\["[^"]*"\.{re.escape(reason)}\]$.*?(?=^\["|\Z)', _text(), re.MULTILINE | re.DOTALL)
    return next(iter(_rows(found[0])), None) if found else None


@cache
def _text() -> str:
    return Path(__file__).with_name("reasons.toml").read_text(encoding="utf-8")


def _rows(text: str) -> tuple[Explanation, ...]:
    return tuple(
        Explanation(
            reason=Reason(word),
            topic=topic,
            carriers=frozenset(map(Carrier, row["kinds"])),
            symptom=row.get("symptom"),
            cause=row["cause"],
            remedy=row.get("remedy"),
        )
        for topic, rows in tomllib.loads(text).items()
        for word, row in rows.items()
    )
