"""Numbers in the sentences that commands say."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 thing``, ``2 things``; ``plural`` where an s is not enough."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
