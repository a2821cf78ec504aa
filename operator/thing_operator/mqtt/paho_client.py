"""paho's client as a transport needs it: on a socket that is connected already, with few reads and few writes."""

import asyncio
import ssl
import struct
from typing import TYPE_CHECKING, Final

from paho.mqtt import client as paho
from paho.mqtt.client import PUBACK
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

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
_PAUSE_SECONDS: Final = 0.1
"""A pause is longer by this than it had to be, so that it is worth it."""


class PahoClient(paho.Client):
    """paho on a socket that is connected already, keeping the error that ended it.

    ``deliver`` gets topic and payload of each message. For one running loop.
    """

    def __init__(
        self,
        sock: ssl.SSLSocket,
        client_id: str,
        *,
        limit: int,
        deliver: "Callable[[str, bytes], None]",
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self._given = sock
        self._limit = limit
        self._deliver = deliver
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
            if self.connack_code is None:
                is_connack = self._arrived.startswith(_CONNACK) and len(self._arrived) > len(_CONNACK) + 1
                self.connack_code = self._arrived[len(_CONNACK) + 1] if is_connack else 0
        data, self._arrived = self._arrived[:bufsize], self._arrived[bufsize:]
        return data

    def _receive(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.error = error
            raise

    def _packet_handle(self) -> MQTTErrorCode:
        """Whatever a packet is, it counts."""
        self._pace.reserve(asyncio.get_running_loop().time())
        return super()._packet_handle()

    def _handle_on_message(self, message: paho.MQTTMessage) -> None:
        """paho looks for callbacks by topic, in closures that refer to themselves: garbage for each message."""
        self._deliver(message.topic, bytes(message.payload))
