"""Brokers that let a session in and then do not do what it needs, as a user of Things sees it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from tests.integration.session.scripted import (
    CONNECT,
    PUBLISH,
    SUBSCRIBE,
    Packet,
    Peer,
    ScriptedServer,
    connack,
    packet,
    publish,
    scripted_server,
)
from tests.support.background import Wait, background_loop
from tests.support.cloud import Things
from tests.support.operator import Json, Workspace
from tests.support.pki import Authority
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.ports import LOOPBACK

QUICK = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_SESSION__DISCONNECT_GRACE": "1s",
}


def restart(workspace: Workspace, settings: dict[str, str]) -> None:
    workspace.operator.stop()
    workspace.operator.settings |= settings
    workspace.operator.start()


class Policy:
    """A broker's script: what it does to a client of each name; nothing once all is allowed."""

    def __init__(self) -> None:
        self.allowed = threading.Event()
        self.updates = 0
        self._names: dict[Peer, str] = {}

    async def __call__(self, peer: Peer, got: Packet) -> bool:
        if got.kind == CONNECT:
            self._names[peer] = got.client_id
            if got.client_id == "has-another-mqtt":
                peer.send(connack(1))
            return got.client_id == "has-another-mqtt"
        if self.allowed.is_set():
            return False
        name = self._names[peer]
        if name == "subscribes-in-vain" and got.kind == SUBSCRIBE:
            peer.send(packet(0x90, got.message_id + b"\x80" * got.filters))
        elif name == "is-closed-at-subscribe" and got.kind == SUBSCRIBE:
            peer.writer.close()
        elif name == "receives-nothing" and got.kind == PUBLISH:
            peer.send(packet(0x40, got.message_id))
        elif name == "may-not-read" and got.kind == PUBLISH:
            body = {"code": 403, "message": "Forbidden", "clientToken": got.json["clientToken"]}
            peer.send(packet(0x40, got.message_id))
            peer.send(publish(f"{got.topic}/rejected", body))
        elif name == "is-closed-at-update" and got.kind == PUBLISH and got.topic.endswith("/update"):
            self.updates += 1
            peer.writer.close()
        else:
            return False
        return True


@contextmanager
def scripted_broker(
    folder: Path, authority: Authority, script: Policy
) -> Iterator[tuple[ScriptedServer, Wait]]:
    """The server runs in a thread."""
    with background_loop() as wait:
        running = scripted_server(authority, folder, script=script)
        server = wait(running.__aenter__())
        try:
            yield server, wait
        finally:
            wait(running.__aexit__(None, None, None))


DENIED = {
    "subscribes-in-vain": "must allow iot:Subscribe and iot:Receive",
    "is-closed-at-subscribe": "closes the connection whenever it gets our subscribe",
    "receives-nothing": "delivers nothing: the policy of certificate",
    "may-not-read": "may not be read (403)",
    "is-closed-at-update": "closes the connection whenever it gets our update",
}


def is_stalled(status: Json) -> bool:
    return any(found["type"] == "Stalled" for found in status.get("conditions", ()))


def test_a_policy_that_forbids_the_shadow_is_reported_steadily_and_can_be_mended(
    workspace: Workspace, tmp_path: Path
) -> None:
    restart(workspace, QUICK | {"THING_OPERATOR_SHADOW__REQUEST_TIMEOUT": "2s"})
    authority, policy = Authority.new(), Policy()
    with scripted_broker(tmp_path, authority, policy) as (server, _):
        workspace.kubectl("create", "configmap", "ca", f"--from-literal=ca.crt={authority.pem}")
        endpoint = {"host": "localhost", "port": server.port, "caConfigMapName": "ca"}
        start = workspace.now()
        for name in DENIED:
            identity = authority.identity(name)
            thing = CloudThing(name, identity.certificate_pem, identity.private_key_pem)
            workspace.store_credentials(thing)
            desired = {"a": 1} if name == "is-closed-at-update" else {}
            workspace.apply_thing(thing, {"endpoint": endpoint, "desired": desired})
        for name, words in DENIED.items():
            assert words in workspace.wait_for(name, "Stalled", reason="NotAuthorized")["message"]
            assert workspace.condition(name, "Ready")["reason"] == "NotAuthorized"
        # It goes on trying, and says nothing else in between.
        tried = policy.updates
        eventually(lambda: policy.updates >= tried + 2, "two more updates")
        statuses = [
            event["object"].get("status", {})
            for event in workspace.events_since(start)
            if event["object"]["metadata"]["name"] == "is-closed-at-update"
        ]
        first = next(number for number, status in enumerate(statuses) if is_stalled(status))
        assert all(is_stalled(status) for status in statuses[first:])
        policy.allowed.set()
        # Nothing answers updates here: it asks for none.
        workspace.patch("is-closed-at-update", {"desired": {"a": None}})
        for name in DENIED:
            workspace.wait_for(name, "Ready")
            assert workspace.condition(name, "Stalled") == {}
            assert workspace.condition(name, "Reconciling") == {}


def test_a_port_that_is_not_the_brokers_is_named(workspace: Workspace, tmp_path: Path) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)
        writer.close()

    restart(workspace, QUICK)
    authority, name = Authority.new(), "has-another-mqtt"
    identity = authority.identity(name)
    thing = CloudThing(name, identity.certificate_pem, identity.private_key_pem)
    workspace.kubectl("create", "configmap", "ca", f"--from-literal=ca.crt={authority.pem}")
    workspace.store_credentials(thing)
    with scripted_broker(tmp_path, authority, Policy()) as (server, wait):
        endpoint = {"host": "localhost", "port": server.port, "caConfigMapName": "ca"}
        workspace.apply_thing(thing, {"endpoint": endpoint})
        found = workspace.wait_for(name, "Connected", "False", reason="EndpointUnreachable")
        assert "does not take MQTT 3.1.1 (return code 1 of CONNECT)" in found["message"]
        plain = wait(asyncio.start_server(close, "127.0.0.1", 0))
        workspace.patch(name, {"endpoint": endpoint | {"port": plain.sockets[0].getsockname()[1]}})

        def words() -> bool:
            said: str = workspace.condition(name, "Connected")["message"]
            return "check that the port is the one with TLS (8883 or 443, not 1883)" in said

        eventually(words, "the condition names TLS")
        plain.close()


def test_what_happens_again_is_counted_in_one_event_and_a_certificate_that_ends_soon_is_reported_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    restart(workspace, QUICK)
    authority, policy, name = Authority.new(), Policy(), "subscribes-in-vain"
    with scripted_broker(tmp_path, authority, policy) as (server, wait):

        async def kick() -> None:
            server.kick(name)

        policy.allowed.set()
        workspace.kubectl("create", "configmap", "ca", f"--from-literal=ca.crt={authority.pem}")
        identity = authority.identity(name, left=timedelta(minutes=14))
        thing = CloudThing(name, identity.certificate_pem, identity.private_key_pem)
        workspace.store_credentials(thing)
        endpoint = {"host": "localhost", "port": server.port, "caConfigMapName": "ca"}
        workspace.apply_thing(thing, {"endpoint": endpoint})
        workspace.wait_for(name, "Ready")
        workspace.wait_for(name, "CredentialsValid", reason="ExpiresSoon")
        for _ in range(2):
            policy.allowed.clear()
            wait(kick())
            workspace.wait_for(name, "Connected", "False", reason="NotAuthorized")
            policy.allowed.set()
            workspace.wait_for(name, "Ready")
            workspace.wait_for(name, "Connected")

    def counts() -> dict[tuple[str, str], int]:
        return {(event["type"], event["reason"]): event["count"] for event in workspace.list("events")}

    eventually(lambda: counts().get(("Normal", "Connected"), 0) >= 3, "each time is counted")
    assert counts()["Warning", "ExpiresSoon"] == 1
    events = [(event["reason"], event["message"]) for event in workspace.list("events")]
    assert len(events) == len(set(events)), "no Event is there twice"


class Tunnel:
    """Carries connections to the cloud's broker; those that are there when it is frozen go dead, without an end."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._open = asyncio.Event()
        self._open.set()
        self._carrying: set[asyncio.Task[None] | None] = set()
        """Held here: what went dead waits for nothing that anybody else holds, and would be collected."""
        self.port = 0

    async def listen(self) -> None:
        """Begin; the port is chosen."""
        self._server = await asyncio.start_server(self._carry, LOOPBACK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Carry nothing new."""
        self._server.close()

    async def freeze(self) -> None:
        """Let what is there go dead, and carry what comes."""
        self._open, before = asyncio.Event(), self._open
        self._open.set()
        before.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carrying.add(asyncio.current_task())
        is_open, port = self._open, self._cloud.info.mqtt_port
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, is_open))
                group.create_task(_pump(far_reader, writer, is_open))
        finally:
            writer.close()
            far_writer.close()
            self._carrying.discard(asyncio.current_task())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            await is_open.wait()
            writer.write(data)
    writer.close()


@contextmanager
def tunnel_to(cloud: LocalCloud) -> Iterator[tuple[Tunnel, Wait]]:
    with background_loop() as wait:
        tunnel = Tunnel(cloud)
        wait(tunnel.listen())
        try:
            yield tunnel, wait
        finally:
            wait(tunnel.close())


def test_a_connection_that_goes_dead_without_a_word_is_made_again_and_nothing_is_sent_twice(
    workspace: Workspace, things: Things
) -> None:
    restart(
        workspace,
        QUICK | {"THING_OPERATOR_SHADOW__REQUEST_TIMEOUT": "3s", "THING_OPERATOR_SESSION__KEEP_ALIVE": "30s"},
    )
    asking, listening = made = things(2)
    with tunnel_to(workspace.cloud) as (tunnel, wait):
        for thing in made:
            workspace.store_credentials(thing)
            endpoint = {"host": "localhost", "port": tunnel.port}
            workspace.apply_thing(thing, {"endpoint": endpoint, "desired": {"mode": "auto"}})
        for thing in made:
            workspace.wait_for(thing.name, "Ready")
        wait(tunnel.freeze())
        # One finds out by what it asks, the other by its keep-alive.
        workspace.patch(asking.name, {"desired": {"mode": "eco"}})
        workspace.cloud.update_shadow(listening, {"reported": {"mode": "auto"}})
        workspace.wait_for(asking.name, "Ready")
        workspace.wait_for(listening.name, "InSync")
        assert workspace.desired(asking) == {"mode": "eco"}
        for thing in made:
            document = workspace.cloud.get_shadow(thing)
            assert document is not None
            assert document["version"] == 2
            workspace.wait_for(thing.name, "Connected")
