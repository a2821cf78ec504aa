"""Numbers and times in sentences for people."""

from datetime import timedelta


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 thing``, ``2 things``; ``plural`` where an s is not enough."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"


def age(time: timedelta) -> str:
    """How long, as kubectl says it: 12s, 5m, 3h, 2d; rounded down, the unit the longest that gives 2 or more."""
    seconds = max(int(time.total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
