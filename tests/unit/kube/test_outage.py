"""What a failed connection says."""

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from thing_operator.kube.outage import is_of_tls, words_of

CONNECTION = ConnectionKey("127.0.0.1", 1, True, True, None, None, None)


def alert() -> aiohttp.ClientOSError:
    """What aiohttp raises when a server of TLS 1.3 refuses the client certificate: after the handshake."""
    error = aiohttp.ClientOSError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")
    error.__cause__ = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (alert(), True),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), False),
        (aiohttp.ServerDisconnectedError(), False),
        (TimeoutError(), False),
    ],
)
def test_what_is_of_tls(error: Exception, *, expected: bool) -> None:
    assert is_of_tls(error) is expected
    assert words_of(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (aiohttp.ServerTimeoutError("Timeout on reading data from socket"), "no answer in time"),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), "Connection reset by peer"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
        (aiohttp.ClientPayloadError("cut\nTraceback"), "cut"),
        (ValueError(), "value error"),
        (
            aiohttp.ClientPayloadError("Response payload is not completed: <TransferEncodingError: 400>"),
            "client payload error",
        ),
        (
            aiohttp.ClientConnectorError(CONNECTION, OSError(111, "Connect call failed ('127.0.0.1', 1)")),
            "no connection to 127.0.0.1:1 (Connection refused)",
        ),
    ],
)
def test_what_failed_is_said_without_pythons_own_form(error: Exception, words: str) -> None:
    assert words_of(error) == words
