"""What every target holds of every message."""

LONGEST_MESSAGE = 10_000
"""Characters; a condition shows the first thousands, and makes visible what cannot be seen, as the log does."""


def check_message(message: str, *, secrets: bytes = b"") -> None:
    """It says something, has an end, and has no line of ``secrets`` in it."""
    assert message.strip()
    assert len(message) < LONGEST_MESSAGE
    for line in secrets.split():
        if len(line) >= 16:
            assert line.decode("latin-1") not in message
