"""A thing's MQTT client as a device would have it: paho-mqtt with its own thread, and what it saw."""

import json
import queue
import ssl
import tempfile
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from tests.support.polling import eventually

from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.client import CloudInfo, CloudThing
from thing_operator_local.cloud.layout import CloudLayout

WITHIN = 60.0
Json = Any


def tls_context(ca: Path, certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + key)
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


class Device:
    """Connects when entered. ``closed`` tells that the broker ended the connection."""

    def __init__(
        self,
        info: CloudInfo,
        thing: CloudThing,
        *,
        client_id: str | None = None,
        clean: bool = True,
        keep_alive: int = 60,
        will: tuple[str, bytes, int, bool] | None = None,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self.name = thing.name
        self.topics = ShadowTopics(thing.name)
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.connack: str | None = None
        """paho names the codes of MQTT 3.1.1 (5: Not authorized) as MQTT 5 does."""
        self.session_present = False
        self.granted: dict[int, list[int]] = {}
        self.published: set[int] = set()
        self.closed = False
        self._info = info
        self._keep_alive = keep_alive
        clean_session = clean if protocol is not MQTTProtocolVersion.MQTTv5 else None
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=thing.name if client_id is None else client_id,
            clean_session=clean_session,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self.client.tls_set_context(tls_context(info.ca, thing.certificate_pem, thing.private_key_pem))
        if will is not None:
            topic, payload, qos, retain = will
            self.client.will_set(topic, payload, qos, retain)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.on_publish = self._on_publish

    def _on_connect(self, _client: Any, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
        self.session_present = flags.session_present
        self.connack = code.getName()

    def _on_disconnect(self, *_: Any) -> None:
        self.closed = True

    def _on_subscribe(self, _client: Any, _data: Any, packet: int, codes: Any, _properties: Any) -> None:
        self.granted[packet] = [code.value for code in codes]

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.messages.put((message.topic, bytes(message.payload)))

    def _on_publish(self, _client: Any, _data: Any, packet: int, *_: Any) -> None:
        self.published.add(packet)

    def connect(self) -> Self:
        """Connect and wait for an answer or the end."""
        self.client.connect(self._info.mqtt_host, self._info.mqtt_port, self._keep_alive)
        self.client.loop_start()
        eventually(lambda: self.connack is not None or self.closed, "an answer to CONNECT", pause=0.005)
        return self

    def __enter__(self) -> Self:
        self.connect()
        assert self.connack == "Success"
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self) -> None:
        """End without DISCONNECT: the will is due."""
        sock = self.client.socket()
        assert sock is not None
        self.client.loop_stop()
        sock.close()

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        """Subscribe and return the granted codes; an empty list when the connection was closed instead."""
        _, packet = self.client.subscribe([(each, qos) for each in filters])
        assert packet is not None
        eventually(lambda: packet in self.granted or self.closed, "SUBACK", pause=0.005)
        return self.granted.get(packet, [])

    def subscribe_all(self) -> None:
        """The eight topics of the classic shadow."""
        topics = self.topics
        assert (
            self.subscribe(
                topics.update_accepted,
                topics.update_rejected,
                topics.update_delta,
                topics.update_documents,
                topics.get_accepted,
                topics.get_rejected,
                topics.delete_accepted,
                topics.delete_rejected,
            )
            == [1] * 8
        )

    def publish(self, topic: str, payload: Json = b"", *, qos: int = 1, retain: bool = False) -> int:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.client.publish(topic, body, qos, retain).mid

    def publish_and_wait(self, topic: str, payload: Json = b"") -> None:
        """Publish with QoS 1 and wait for PUBACK."""
        packet = self.publish(topic, payload)
        eventually(lambda: packet in self.published, "PUBACK", pause=0.005)

    def next(self) -> tuple[str, Json]:
        """The next message: the last levels of its topic below ``shadow/``, and its JSON."""
        topic, payload = self.messages.get(timeout=WITHIN)
        return topic.partition("/shadow/")[2], json.loads(payload)

    def take(self, count: int) -> dict[str, Json]:
        """The next messages by topic."""
        return dict(self.next() for _ in range(count))

    def expect_closed(self) -> None:
        eventually(lambda: self.closed, "the broker to close the connection", pause=0.005)

    def expect_nothing_before(self, marker: str = "get") -> None:
        """Nothing comes until the answer to a ``get`` of now: everything before it has been dealt with."""
        self.publish(self.topics.get)
        topic, _ = self.next()
        assert topic.startswith(f"{marker}/")


def service_identity(info: CloudInfo) -> CloudThing:
    """The cloud's own certificate, which reaches everything; client ids begin with ``$``."""
    pki = CloudLayout(info.ca.parent.parent).pki
    certificate, key = (pki / f"service.{kind}" for kind in ("crt", "key"))
    return CloudThing("$observer", certificate.read_bytes(), key.read_bytes())
