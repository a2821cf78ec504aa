"""An answer that is not read to its end takes its connection with it, whatever the other side does.

The server is a real one over TLS that never closes a connection, nor answers when the other side does.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from thing_operator.core.errors import ThingOperatorError
from thing_operator.download.errors import DownloadFailedError, DownloadRefusedError, UnansweredError
from thing_operator.download.https import HttpsClient
from thing_operator_local.ports import LOOPBACK

pytestmark = pytest.mark.real_time

LIMIT = 1000
LONG = 20.0
"""Seconds within which a connection has to be ended: far more than it takes, and less than a goodbye is waited for."""


class SilentServer:
    """Answers each connection with the next of ``answers``; ``ended`` is set when the client has ended that one.

    An answer that is not the first waits until the connections before it have ended.
    """

    def __init__(self, context: ssl.SSLContext, answers: Sequence[bytes]) -> None:
        self.ended = [Event() for _ in answers]
        self._context = context
        self._answers = answers
        self._listener = socket.create_server((LOOPBACK, 0))
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self._listener.getsockname()[1]}/"

    @contextmanager
    def serving(self) -> Iterator["SilentServer"]:
        for number in range(len(self._answers)):
            self._threads.append(Thread(target=self._serve, args=(number,)))
            self._threads[-1].start()
        try:
            yield self
        finally:
            self._listener.close()
            for each in self._threads:
                each.join()

    def _serve(self, number: int) -> None:
        for before in self.ended[:number]:
            if not before.wait(LONG):
                return
        connection, _ = self._listener.accept()
        connection.settimeout(LONG)
        secured = self._context.wrap_socket(connection, server_side=True)
        while b"\r\n\r\n" not in secured.recv(4096):
            pass
        secured.sendall(self._answers[number])
        # What comes from now on is not read as TLS: the client's goodbye remains unanswered.
        with socket.socket(fileno=secured.detach()) as raw:
            raw.settimeout(LONG)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                return
            self.ended[number].set()


def answer(status: str, *, length: int, **headers: str) -> bytes:
    """The first three bytes of it."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", "abc"]).encode()


MOVED = answer("302 Found", length=10_000, Location="/zip")
WHOLE = answer("200 OK", length=3)


async def test_an_address_that_leads_on_is_left_before_the_next_is_asked(
    site_pki: tuple[ssl.SSLContext, Path],
) -> None:
    context, ca_file = site_pki
    https = HttpsClient(hosts=("localhost",), ca_file=ca_file)
    with SilentServer(context, [MOVED, MOVED, WHOLE]).serving() as server:
        assert await https.download(server.url, limit=LIMIT) == b"abc"
        for ended in server.ended:
            assert await asyncio.to_thread(ended.wait, LONG)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer("404 Not Found", length=10_000), DownloadRefusedError),
        (answer("200 OK", length=10_000), DownloadRefusedError),
        (answer("200 OK", length=100), DownloadFailedError),
    ],
    ids=["refused", "too long", "not all of it"],
)
async def test_a_download_that_is_given_up_leaves_no_connection(
    site_pki: tuple[ssl.SSLContext, Path], said: bytes, error: type[ThingOperatorError]
) -> None:
    context, ca_file = site_pki
    https = HttpsClient(hosts=("localhost",), ca_file=ca_file)
    with SilentServer(context, [said]).serving() as server:
        with pytest.raises(error):
            await https.download(server.url, limit=LIMIT, patience=0.3)
        assert await asyncio.to_thread(server.ended[0].wait, LONG)


async def test_nor_does_a_call(site_pki: tuple[ssl.SSLContext, Path]) -> None:
    context, ca_file = site_pki
    https = HttpsClient(hosts=("localhost",), ca_file=ca_file)
    with SilentServer(context, [answer("200 OK", length=1 << 30)]).serving() as server:
        with pytest.raises(UnansweredError):
            await https.call("GET", server.url)
        assert await asyncio.to_thread(server.ended[0].wait, LONG)
