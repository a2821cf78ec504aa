"""What of paho's inside the transport stands on: not promised by its authors, so each new version is looked at here."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from thing_operator.mqtt import paho_client, transport
from thing_operator.mqtt.paho_client import PahoClient

PRIVATE = {
    "_create_socket": "(self) -> 'SocketLike'",
    "_handle_pubackcomp": "(self, cmd: \"Literal['PUBACK', 'PUBCOMP']\") -> 'MQTTErrorCode'",
    "_handle_publish": "(self) -> 'MQTTErrorCode'",
    "_mid_generate": "(self) -> 'int'",
    "_pack_remaining_length": "(self, packet: 'bytearray', remaining_length: 'int') -> 'bytearray'",
    "_packet_handle": "(self) -> 'MQTTErrorCode'",
    "_packet_queue": "(self, command: 'int', packet: 'bytes | bytearray', mid: 'int', qos: 'int', "
    "info: 'MQTTMessageInfo | None' = None) -> 'MQTTErrorCode'",
    "_packet_read": "(self) -> 'MQTTErrorCode'",
    "_send_puback": "(self, mid: 'int') -> 'MQTTErrorCode'",
    "_sock_close": "(self) -> 'None'",
    "_sock_recv": "(self, bufsize: 'int') -> 'bytes'",
}
"""Methods of paho's Client that we override or call, with their signatures.

``connect`` takes its socket from ``_create_socket``; ``_packet_read`` reads one packet, every byte of it by
``_sock_recv``, and has it taken by ``_packet_handle``: a PUBLISH by ``_handle_publish``, a PUBACK by
``_handle_pubackcomp``; ``_sock_close`` closes without DISCONNECT. ``_send_puback`` acknowledges, ``_mid_generate``
gives packet ids, ``_pack_remaining_length`` writes a length, and what is to be sent goes by ``_packet_queue``, which
looks at no more of it than its length.
"""


def test_paho_has_the_private_methods_that_we_use() -> None:
    assert {name: str(inspect.signature(getattr(paho.Client, name))) for name in PRIVATE} == PRIVATE


def test_we_use_no_other_private_methods_of_paho() -> None:
    assert _overridden() | _called() == PRIVATE.keys()


def test_what_we_override_is_what_paho_calls() -> None:
    methods = inspect.getmembers(paho.Client, inspect.isfunction)
    called = {
        name: {at for at, method in methods if name in method.__code__.co_names} for name in _overridden()
    }
    assert called == {
        "_create_socket": {"reconnect"},
        "_handle_pubackcomp": {"_packet_handle"},
        "_handle_publish": {"_packet_handle"},
        "_packet_handle": {"_packet_read"},
        "_packet_read": {"loop_read"},
        "_packet_queue": {
            "_send_command_with_mid",
            "_send_connect",
            "_send_disconnect",
            "_send_publish",
            "_send_simple_command",
            "_send_subscribe",
            "_send_unsubscribe",
        },
        "_send_puback": {"_handle_publish", "ack"},
        "_sock_recv": {"_packet_read"},
    }


def test_our_own_names_are_no_names_of_paho() -> None:
    theirs = paho.Client(CallbackAPIVersion.VERSION2)
    added = set(PahoClient.__slots__) - vars(theirs).keys()
    assert added == {
        "_acknowledgements",
        "_acknowledging",
        "_arrived",
        "_confirm",
        "_deliver",
        "_given",
        "_limit",
        "_pace",
        "_unacknowledged",
        "connack_code",
        "error",
        "is_too_large",
    }, "one of ours is an attribute of paho, too"
    assert not {name for name in added if hasattr(paho.Client, name)}
    methods = {
        name for name in vars(PahoClient).keys() - set(PahoClient.__slots__) if not name.startswith("__")
    }
    assert {name for name in methods if hasattr(theirs, name)} == _overridden()


def test_no_attribute_of_a_client_is_in_a_dictionary() -> None:
    ours, _ = client_at()
    assert ours._client_id == b"t1"
    assert not vars(ours)


def test_all_clients_have_one_lock_in_place_of_each_of_pahos() -> None:
    locks = [
        getattr(client_at()[0], name)
        for name in vars(paho.Client(CallbackAPIVersion.VERSION2))
        if "mutex" in name
    ]
    assert len(locks) == 7
    assert len(set(map(id, locks))) == 1


def test_paho_asks_whether_a_lock_is_free_only_where_it_sends_at_once() -> None:
    """Ours is always free; since what is to be sent goes by ``on_socket_register_write``, nobody asks."""
    asking = re.findall(r".*\.acquire\(.*", inspect.getsource(paho.Client))
    assert len(asking) == 1
    assert "self._on_socket_register_write is None and self._in_callback_mutex.acquire(False)" in asking[0]


def test_what_paho_does_with_its_packets_is_what_ours_can() -> None:
    asked = set(re.findall(r"_out_packet\.(\w+)", inspect.getsource(paho.Client)))
    assert asked == {"append", "appendleft", "clear", "popleft"}
    packets = client_at()[0]._out_packet
    assert all(hasattr(packets, name) for name in asked)


async def test_packets_are_sent_in_their_order_the_rest_of_one_before_the_next() -> None:
    ours, wire = client_at()
    wire.takes = 3
    for payload in (b"1", b"2"):
        ours.send("a", payload)
    while ours.want_write():
        ours.loop_write()
    assert wire.sent == b"\x32\x06\0\x01a\0\x011\x32\x06\0\x01a\0\x022"


def test_what_paho_keeps_of_a_packet_is_what_we_leave_as_it_was() -> None:
    ours, _ = client_at()
    assert ours._in_packet == {
        "command": 0,
        "have_remaining": 0,
        "remaining_count": [],
        "remaining_mult": 1,
        "remaining_length": 0,
        "packet": bytearray(),
        "to_process": 0,
        "pos": 0,
    }
    assert hasattr(ours, "_last_bytes_received")


class PiecewiseSocket:
    """What is read from a socket, piece by piece, and what comes of it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.delivered: list[tuple[str, bytes]] = []
        self.confirmed: list[int] = []
        self.takes = 1024
        """Bytes at a time."""
        self.sent = b""

    def send(self, data: bytes) -> int:
        self.sent += data[: self.takes]
        return min(len(data), self.takes)

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def pending(self) -> int:
        return 0

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """As a socket's."""


def client_at(*pieces: bytes, limit: int = 1024) -> tuple[PahoClient, PiecewiseSocket]:
    """A client whose socket has these pieces to be read."""
    wire = PiecewiseSocket(*pieces)
    ours = PahoClient(
        wire,  # type: ignore[arg-type]
        "t1",
        limit=limit,
        deliver=lambda topic, payload: wire.delivered.append((topic, payload)),
        confirm=wire.confirmed.append,
    )
    ours._sock = wire  # type: ignore[assignment]
    ours.on_socket_register_write = lambda *_: None
    return ours, wire


def publish(topic: bytes, payload: bytes, *, qos: int = 0, mid: int = 7) -> bytes:
    body = len(topic).to_bytes(2) + topic + (mid.to_bytes(2) if qos else b"") + payload
    return mqtt_packet(0x30 | qos << 1, body)


def mqtt_packet(first: int, body: bytes) -> bytes:
    head = bytearray((first,))
    paho.Client(CallbackAPIVersion.VERSION2)._pack_remaining_length(head, len(body))
    return bytes(head) + body


async def read_all(ours: PahoClient, wire: PiecewiseSocket) -> MQTTErrorCode:
    """Until nothing is there any more, or it has ended."""
    while True:
        result = ours._packet_read()
        # paho says AGAIN also of a packet in more than a hundred pieces.
        is_over = result is MQTTErrorCode.MQTT_ERR_AGAIN and not wire.pieces
        if is_over or result not in {MQTTErrorCode.MQTT_ERR_AGAIN, MQTTErrorCode.MQTT_ERR_SUCCESS}:
            return result


@pytest.mark.parametrize("size", [1, 2, 3, 7, 200, 4096])
async def test_packets_are_the_same_however_they_come_in_pieces(size: int) -> None:
    text = b"".join(
        (
            publish(b"a/b", b"{}"),
            mqtt_packet(0x40, b"\0\x05"),
            publish("\u00e9/\u00fc".encode(), b"x" * 300, qos=1),
            mqtt_packet(0xD0, b""),
            publish(b"c", b""),
        )
    )
    ours, wire = client_at(*(text[at : at + size] for at in range(0, len(text), size)))
    assert await read_all(ours, wire) is MQTTErrorCode.MQTT_ERR_AGAIN
    assert wire.delivered == [("a/b", b"{}"), ("\u00e9/\u00fc", b"x" * 300), ("c", b"")]
    assert wire.confirmed == [5]
    assert ours._acknowledgements == b"\x40\x02\0\x07"


@pytest.mark.parametrize(
    "packet",
    [
        publish(b"", b"{}"),
        publish(b"\xff", b"{}"),
        publish(b"a", b"", qos=2),
        mqtt_packet(0x30, b"\0\x09a"),
        mqtt_packet(0x32, b"\0\x01a\0"),
        mqtt_packet(0x30, b""),
        mqtt_packet(0x40, b"\0"),
        b"\x30\xff\xff\xff\xff\x01",
        mqtt_packet(0, b"x"),
    ],
)
async def test_what_is_malformed_ends_the_connection(packet: bytes) -> None:
    for pieces in ((packet,), tuple(packet[at : at + 1] for at in range(len(packet)))):
        ours, wire = client_at(*pieces)
        assert await read_all(ours, wire) is MQTTErrorCode.MQTT_ERR_PROTOCOL
        assert wire.delivered == []


async def test_a_packet_beyond_the_limit_ends_the_connection() -> None:
    ours, wire = client_at(publish(b"a", b"x" * 100), limit=100)
    assert await read_all(ours, wire) is MQTTErrorCode.MQTT_ERR_CONN_LOST
    assert (ours.is_too_large, wire.delivered) == (True, [])


async def test_what_is_sent_waits_for_its_acknowledgement_up_to_twenty() -> None:
    ours, wire = client_at()
    mids = [ours.send("a/\u00e9", b"{}") for _ in range(21)]
    assert mids == [*range(1, 21), None]
    wire.pieces = [mqtt_packet(0x40, b"\0\x03")]
    await read_all(ours, wire)
    assert wire.confirmed == [3]
    assert ours.send("a", b"") == 21
    sent = [bytes(each["packet"]) for each in ours._out_packet]
    assert sent[0] == b"\x32\x0a\0\x04a/\xc3\xa9\0\x01{}"
    assert sent[-1] == b"\x32\x05\0\x01a\0\x15"
    ours._sock = None
    assert ours.send("a", b"") is None


def _overridden() -> set[str]:
    return {name for name in vars(PahoClient) if _is_private(name) and hasattr(paho.Client, name)}


def _called() -> set[str]:
    """Private attributes of ``self._client`` and of ``super()``."""
    trees = (
        ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
        for module in (paho_client, transport)
    )
    found = set()
    for node in (each for tree in trees for each in ast.walk(tree)):
        match node:
            case ast.Attribute(
                value=ast.Attribute(attr="_client") | ast.Call(func=ast.Name("super")), attr=name
            ) if _is_private(name):
                found.add(name)
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
