"""Lines for a person who waits."""

from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console


def announcer(console: Console) -> Callable[[str], None]:
    """Prints what is being done, with the time before it."""

    def announce(text: str) -> None:
        line = f"{datetime.now(UTC):%H:%M:%S} {text}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    return announce
