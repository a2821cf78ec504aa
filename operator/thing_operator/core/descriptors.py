"""The process's file descriptors: a session takes one, and the operator is blind without a few for itself."""

import resource
from contextlib import suppress

PORT_CONNECTIONS = 24
"""At a time on each of the ports for health and metrics."""
PORT_BACKLOG = 16
"""Connections that a port accepts in one turn, before any of them makes room."""

RESERVED = 64 + 2 * (PORT_CONNECTIONS + PORT_BACKLOG)
"""Of the limit, not for sessions: watches and requests to the API server, files, and both ports at their fullest."""


def raise_limit() -> None:
    """Take all that the system allows: container runtimes give 1,024 at first, and half a million on request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems have no hard limit and take no such soft one.
    with suppress(ValueError, OSError):
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int | None:
    """How many there may be; None for as many as one likes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def is_reserved(descriptor: int) -> bool:
    """Whether only the reserve is left: the system always gives the lowest number that is free."""
    most = limit()
    return most is not None and descriptor >= most - min(RESERVED, most // 4)
