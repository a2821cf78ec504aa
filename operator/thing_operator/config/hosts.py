"""Host names against the patterns of an allow-list."""

from collections.abc import Iterable
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Final

from thing_operator.core.addresses import is_numeric

_MQTT_PORTS: Final = frozenset({8883, 443})


def matches_any(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host name fits one of the patterns, ``*.amazonaws.com`` for any name below it."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def names_exactly(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is this very host, without any ``*``."""
    return any(host.lower() == pattern.lower() for pattern in patterns)


class Reach(Enum):
    """How far an allow-list lets somebody go to a host."""

    NONE = auto()
    PUBLIC = auto()
    """At public addresses only: the list does not name the host itself."""
    FULL = auto()
    """Wherever its name leads."""


def broker_reach(host: str, port: int, *, patterns: Iterable[str], default_port: int) -> Reach:
    """What a list of brokers says of one: entries are ``host``, ``*.domain`` or ``*``, each with ``:port``, ``:*``, or
    for the ports of MQTT over TLS and ``default_port`` none. A host that is a number is only allowed by its own name.
    """
    found = Reach.NONE
    for pattern in patterns:
        name, _, ports = pattern.partition(":")
        is_usual = not ports and port in _MQTT_PORTS | {default_port}
        if not is_usual and ports not in {"*", str(port)}:
            continue
        if names_exactly(host, (name,)):
            return Reach.FULL
        if matches_any(host, (name,)) and not is_numeric(host):
            found = Reach.PUBLIC
    return found
