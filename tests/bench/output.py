"""What the commands of the bench have in common: sizes, lines for people, the machine."""

import os
import platform

import typer


def numbers(text: str) -> list[int]:
    """The numbers of ``100,1000``. Raises typer.BadParameter."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise typer.BadParameter("numbers above 0 with a comma between them are expected, such as 100,1000")
    return found


def machine() -> dict[str, object]:
    """What figures depend on besides the code."""
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
