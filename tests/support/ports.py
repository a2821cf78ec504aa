"""Ports for servers that are started later: no other process of a parallel run takes them meanwhile."""

import os
import random
import socket
from itertools import cycle, islice

from thing_operator_local.ports import LOOPBACK

# Below those that systems give to outgoing connections. Each process goes round from a place of its own.
_RANGE = range(10_000, 30_000)
_start = random.Random(os.getpid()).choice(_RANGE)
_next = cycle((*range(_start, _RANGE.stop), *range(_RANGE.start, _start)))


def reserved_ports(count: int) -> tuple[int, ...]:
    """So many ports on which nobody listens now, and which this process does not hand out again soon."""
    return tuple(islice(filter(_is_free, _next), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
