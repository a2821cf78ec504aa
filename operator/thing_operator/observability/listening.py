"""Sockets that listen: made with an error that names the setting, and ended so that no connection is left behind."""

import asyncio
import errno
import socket
from collections.abc import Iterable

from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_ACCEPTING_TURNS = 5


async def accept_no_more(listening: Iterable[socket.socket]) -> None:
    """Have the running loop take no more connections; those that it has accepted are with their servers on return.

    What is accepted in one turn of the loop is a connection a few turns later. A server that is closed before that
    refuses it, and asyncio leaves its socket open (3.11 to 3.13): so call this first, then close the server.
    """
    loop = asyncio.get_running_loop()
    for sock in listening:
        loop.remove_reader(sock)
    for _ in range(_ACCEPTING_TURNS):
        await asyncio.sleep(0)


def listening_socket(*, setting: str, address: str | None, port: int) -> socket.socket:
    """A socket that listens on a port. ``address`` None: all of this machine's.

    Raises ToolError, which names ``setting``, when nobody can listen there.
    """
    try:
        return _socket(address, port)
    except OSError as error:
        where = f"port {port}" if address is None else f"{address} port {port}"
        raise ToolError(
            f"{setting}.port: {where} cannot be listened on ({in_words(error)}): stop what listens there, or set "
            f"{setting}.port to another one, or to 0 to do without",
            reason=ToolReason.INVALID_SETTINGS,
        ) from None


def _socket(address: str | None, port: int) -> socket.socket:
    if address is not None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - what "all addresses" means
