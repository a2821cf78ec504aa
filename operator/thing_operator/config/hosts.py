"""Host names against the patterns of an allow-list."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches_any(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host name fits one of the patterns, ``*.amazonaws.com`` for any name below it."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def names_exactly(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is this very host, without any ``*``."""
    return any(host.lower() == pattern.lower() for pattern in patterns)
