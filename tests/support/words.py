"""What no text for a person may hold."""

import re

_PYTHONS = re.compile(
    r"Traceback|<\w[^>]* (object|at) |\b\w+(Error|Exception|Key)\(|\[Errno|_ssl\.c|errors\.pydantic|PosixPath|"
    r"\('[^']*', \d+|\b(None|True|False)\b|\bdict|timedelta"
)


def pythons_words_in(text: str) -> list[str]:
    """What of it is Python's own form of something, and says nothing to who does not program."""
    return [found.group() for found in _PYTHONS.finditer(text)]
