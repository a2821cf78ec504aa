"""Names and free TCP ports of the loopback interface."""

import socket
from contextlib import ExitStack

from thing_operator_local.errors import LocalError

LOOPBACK = "127.0.0.1"
HOST = "localhost"
"""What certificates of servers here are for, beside LOOPBACK."""


def free_ports(count: int) -> tuple[int, ...]:
    """``count`` different ports that are free now; another process may still take one before we do."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def check_port(port: int, *, purpose: str, option: str, address: str = LOOPBACK) -> None:
    """Raise LocalError when nobody can listen on ``port`` of ``address``; ``option`` is what the user set it with."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise LocalError(
                f"port {port} for {purpose} cannot be used ({error.strerror}): stop what listens there, or "
                f"choose another port with {option}, or leave {option} out to get a free one",
            ) from None
