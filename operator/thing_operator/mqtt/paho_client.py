"""paho's client as a transport needs it: on a socket that is connected already, with few reads and few writes.

Most of what passes are PUBLISH and PUBACK of whole packets. paho takes them byte by byte, keeps each message for a
connection to come, with a lock of its own, and makes MQTT 5's properties of each PUBACK: most of the time of a report.
So these two are read and written here, and paho has the rest.
"""

import asyncio
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal

from paho.mqtt import client as paho
from paho.mqtt.client import PUBACK, PUBLISH
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket

from thing_operator.core.rate_limit import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNACK: Final = b"\x20\x02"
"""How it begins; a byte of flags and the return code follow."""
_READ_SIZE: Final = 4096
"""Bytes: more than most messages have, and little enough to be made for each read."""
_ACKNOWLEDGE_SECONDS: Final = 0.02
"""How long an acknowledgement waits for more of them: an update brings two messages, a moment apart."""
_PACKETS_PER_SECOND: Final = 100.0
"""What AWS lets through on one connection (docs/background/aws-iot-shadow.md#limits); so many may come at once, too."""
_LONGEST_HEAD: Final = 5
"""Bytes before the body of a packet: its kind, and up to four for the length of its body."""
_QOS_1: Final = 0x02
"""In the first byte of a PUBLISH."""
_MOST_UNACKNOWLEDGED: Final = 20
"""So many publishes without a PUBACK: nobody is listening."""
_PAUSE_SECONDS: Final = 0.1
"""A pause is longer by this than it had to be, so that it is worth it."""
_OF_PAHO: Final = tuple(vars(paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)))
"""What paho sets in each client: some eighty names."""
_LOCKS: Final = tuple(name for name in _OF_PAHO if name.endswith("_mutex"))
_LOCK: Final = threading.RLock()
"""In place of the seven that paho has in each client, 90 bytes each: all clients are on one loop."""


class _Packets(list[Any]):
    """What paho has still to send, mostly nothing: its own deque takes 760 bytes even so."""

    __slots__ = ()

    def popleft(self) -> Any:
        """As a deque's."""
        return self.pop(0)

    def appendleft(self, packet: Any) -> None:
        """As a deque's."""
        self.insert(0, packet)


class PahoClient(paho.Client):
    """paho on a socket that is connected already, keeping the error that ended it.

    ``deliver`` gets topic and payload of each message, ``confirm`` the packet id of each PUBACK. For one running loop.
    """

    # paho's, too: so many names are a dictionary of 3.3 KiB, and each session has one.
    __slots__ = (
        *_OF_PAHO,
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
    )

    def __init__(
        self,
        sock: ssl.SSLSocket,
        client_id: str,
        *,
        limit: int,
        deliver: "Callable[[str, bytes], None]",
        confirm: "Callable[[int], None]",
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self._out_packet = _Packets()  # type: ignore[assignment]
        for name in _LOCKS:
            setattr(self, name, _LOCK)
        self._given = sock
        self._limit = limit
        self._deliver = deliver
        self._confirm = confirm
        self._unacknowledged: set[int] = set()
        self._acknowledgements = b""
        self._acknowledging: asyncio.TimerHandle | None = None
        self._arrived = b""
        self._pace = TokenBucket(_PACKETS_PER_SECOND, _PACKETS_PER_SECOND)
        self.connack_code: int | None = None
        """Of the broker's answer to CONNECT, 0 where it was none: paho says nothing of a 1, and ends."""
        self.error: OSError | None = None
        self.is_too_large = False
        """Whether it was ended for a packet beyond the limit."""

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that no packet was made of yet and that makes the socket readable no more."""
        return bool(self._arrived) or self._given.pending() > 0

    def pause(self, now: float) -> float:
        """Seconds for which nothing is to be read, since more has arrived than one session may have; 0 for none."""
        wait = self._pace.wait(now)
        return wait + _PAUSE_SECONDS if wait > 0 else 0.0

    def send(self, topic: str, payload: bytes) -> int | None:
        """PUBLISH with QoS 1; the packet id of its PUBACK. None: it ended, or nothing is acknowledged any more."""
        if self.socket() is None or len(self._unacknowledged) >= _MOST_UNACKNOWLEDGED:
            return None
        mid, name = super()._mid_generate(), topic.encode()
        self._unacknowledged.add(mid)
        packet = bytearray((PUBLISH | _QOS_1,))
        super()._pack_remaining_length(packet, 2 + len(name) + 2 + len(payload))
        packet += struct.pack("!H", len(name)) + name + struct.pack("!H", mid) + payload
        self._packet_queue(PUBLISH, packet, mid, 1)
        return mid

    def _send_puback(self, mid: int) -> MQTTErrorCode:
        """With the next one, or with what is sent before: each for itself is a TLS record and two system calls."""
        loop = asyncio.get_running_loop()
        if not self._acknowledgements:
            self._acknowledging = loop.call_later(_ACKNOWLEDGE_SECONDS, self._acknowledge)
        elif self._acknowledging is not None:
            # Not a moment later: to wake up once more costs as much as is saved.
            self._acknowledging.cancel()
            self._acknowledging = None
            loop.call_soon(self._acknowledge)
        self._acknowledgements += struct.pack("!BBH", PUBACK, 2, mid)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _acknowledge(self) -> None:
        if self._acknowledgements and self.socket() is not None:
            self._packet_queue(PUBACK, b"", 0, 1)

    def _packet_queue(
        self,
        command: int,
        packet: bytes | bytearray,
        mid: int,
        qos: int,
        info: paho.MQTTMessageInfo | None = None,
    ) -> MQTTErrorCode:
        if self._acknowledgements:
            packet, self._acknowledgements = self._acknowledgements + packet, b""
        return super()._packet_queue(command, packet, mid, qos, info)

    def _create_socket(self) -> ssl.SSLSocket:
        return self._given

    def _sock_recv(self, bufsize: int) -> bytes:
        """paho asks byte by byte, each would be a read of the socket; then for all that a packet announces at once."""
        if bufsize > self._limit:
            self.is_too_large = True
            raise ConnectionAbortedError("more is announced than is taken")
        if not self._arrived:
            self._arrived = self._receive(max(bufsize, _READ_SIZE))
        data, self._arrived = self._arrived[:bufsize], self._arrived[bufsize:]
        return data

    def _receive(self, bufsize: int) -> bytes:
        try:
            found = super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.error = error
            raise
        if self.connack_code is None:
            is_connack = found.startswith(_CONNACK) and len(found) > len(_CONNACK) + 1
            self.connack_code = found[len(_CONNACK) + 1] if is_connack else 0
        return found

    def _packet_read(self) -> MQTTErrorCode:
        """One packet: at once if it is there whole, which nearly all are, else paho goes on with what there is."""
        reading = self._in_packet
        if reading["command"]:
            return super()._packet_read()
        if not self._arrived:
            try:
                self._arrived = self._receive(_READ_SIZE)
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_AGAIN
            except OSError:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
        begin, end = _first_body(self._arrived)
        if end > len(self._arrived) or end - begin > self._limit:
            return super()._packet_read()
        reading["command"], reading["packet"] = self._arrived[0], bytearray(self._arrived[begin:end])
        reading["remaining_length"] = end - begin
        self._arrived = self._arrived[end:]
        self._last_bytes_received = time.monotonic()
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            reading["command"], reading["packet"], reading["remaining_length"] = 0, bytearray(), 0

    def _packet_handle(self) -> MQTTErrorCode:
        """Whatever a packet is, it counts."""
        self._pace.reserve(asyncio.get_running_loop().time())
        return super()._packet_handle()

    def _handle_publish(self) -> MQTTErrorCode:
        """With QoS 0 or 1: nothing is subscribed to with more."""
        body, qos = self._in_packet["packet"], self._in_packet["command"] >> 1 & 3
        topic_end = 2 + int.from_bytes(body[:2])
        begin = topic_end + 2 if qos else topic_end
        if qos > 1 or topic_end == 2 or begin > len(body):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        try:
            topic = body[2:topic_end].decode()
        except UnicodeDecodeError:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._deliver(topic, bytes(body[begin:]))
        return (
            self._send_puback(int.from_bytes(body[topic_end:begin]))
            if qos
            else MQTTErrorCode.MQTT_ERR_SUCCESS
        )

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:  # noqa: ARG002 - as paho calls it
        """Of QoS 1: there is no PUBCOMP."""
        body = self._in_packet["packet"]
        if len(body) < 2:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        mid = int.from_bytes(body[:2])
        self._unacknowledged.discard(mid)
        self._confirm(mid)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _first_body(data: bytes) -> tuple[int, int]:
    """Where the body of the first packet begins and ends, beyond the data if it is not there whole."""
    length = 0
    for place in range(1, min(len(data), _LONGEST_HEAD)):
        length |= (data[place] & 0x7F) << 7 * (place - 1)
        if data[place] < 0x80:
            return place + 1, place + 1 + length
    return 0, len(data) + 1
