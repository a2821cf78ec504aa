"""Two teams and one operator: what one of them can look into and hold up, as its Things tell."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.ports import LOOPBACK

ALLOWED = "THING_OPERATOR_ENDPOINT__ALLOWED_HOSTS"

NAMES = """
import socket, time
real = socket.getaddrinfo
def look_up(host, *arguments, **options):
    if str(host).endswith(".slow.example"):
        time.sleep(30)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")
    return real("127.0.0.1" if str(host).endswith(".inner.example") else host, *arguments, **options)
socket.getaddrinfo = look_up
"""
"""A zone with a name server that never answers, and one that leads into the cluster."""


@pytest.fixture
def team_a(kubectl: Kubectl, idle_workspace: Workspace) -> Iterator[Workspace]:
    """The namespace of another team, which the same operator watches; the operator is still to be started."""
    name = f"{idle_workspace.namespace}-a"
    kubectl("create", "namespace", name)
    operator = idle_workspace.operator
    operator.namespaces.append(name)
    operator.prelude = NAMES
    yield Workspace(kubectl=kubectl, cloud=idle_workspace.cloud, operator=operator, namespace=name)
    kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """An inner service: its port, and who has connected."""
    with socket.create_server((LOOPBACK, 0)) as server:
        seen: list[str] = []

        def accept() -> None:
            while True:
                try:
                    peer, address = server.accept()
                except OSError:
                    return
                seen.append(address[0])
                peer.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)


def test_things_are_no_scanner_of_the_operators_network(
    team_a: Workspace, idle_workspace: Workspace, things: Things
) -> None:
    operator = team_a.operator
    operator.settings[ALLOWED] = "*.amazonaws.com,*.inner.example"
    operator.start()
    [good] = things(1)
    idle_workspace.store_credentials(good)
    idle_workspace.apply_thing(good)
    with listening() as (port, seen):
        targets = [
            {"host": LOOPBACK, "port": port},
            {"host": "2130706433", "port": port},
            {"host": "0x7f000001", "port": port},
            {"host": "127.1", "port": port},
            {"host": "localhost", "port": operator.health_port},
            {"host": "kubernetes.default.svc", "port": 443},
            {"host": team_a.cloud.info.mqtt_host, "port": port},
            {"host": "a.inner.example", "port": port},
        ]
        made = things(len(targets) + 1)
        for thing in made:
            team_a.store_credentials(thing)
        *scanning, inner = made
        for thing, endpoint in zip(scanning, targets, strict=True):
            team_a.apply_thing(thing, {"endpoint": endpoint})
        team_a.apply_thing(inner, {"endpoint": {"host": "b.inner.example", "port": 443}})
        messages = {
            team_a.wait_for(thing.name, "Stalled", reason="EndpointNotAllowed")["message"]
            for thing in scanning
        }
        assert len(messages) == 1, "whatever is there: closed, silent, plain, with a certificate"
        assert "amazonaws" not in str(messages), "the list is the operator's"
        found = team_a.wait_for(inner.name, "Connected", "False", reason="EndpointUnreachable")
        assert "leads to an address that is not public" in found["message"]
        idle_workspace.wait_for(good.name, "Ready")
        assert seen == []


def test_names_that_do_not_resolve_in_time_hold_up_no_other_team(
    team_a: Workspace, idle_workspace: Workspace, things: Things
) -> None:
    operator = team_a.operator
    operator.settings[ALLOWED] = "*.slow.example,*.inner.example"
    operator.start()
    *slow, good, inner = things(42)
    for number, thing in enumerate(slow):
        team_a.store_credentials(thing)
        team_a.apply_thing(thing, {"endpoint": {"host": f"host-{number}.slow.example"}})
    found = team_a.wait_for(slow[-1].name, "Connected", "False", reason="EndpointUnreachable")
    assert "cannot be resolved" in found["message"]
    for thing in (good, inner):
        idle_workspace.store_credentials(thing)
    idle_workspace.apply_thing(good)
    idle_workspace.apply_thing(inner, {"endpoint": {"host": "c.inner.example"}})

    def is_ready() -> bool:
        return idle_workspace.condition(good.name, "Ready").get("status") == "True"

    def is_resolved() -> bool:
        return "not public" in idle_workspace.condition(inner.name, "Connected").get("message", "")

    eventually(is_ready, "a session with the operator's own broker", timeout=60)
    eventually(is_resolved, "a name of another team's is looked up", timeout=60)


def test_a_spec_that_is_nested_without_end_holds_up_nobody(workspace: Workspace, things: Things) -> None:
    """An API server takes it: what is in desired has no schema."""
    thing, other = things(2)
    value: object = 1
    for _ in range(900):
        value = [value]
    workspace.apply("Thing", "deep", {"thingName": thing.name, "desired": {"a": value}})
    found = workspace.wait_for("deep", "Stalled", reason="InvalidSpec")
    assert "nested deeper than 32 levels" in found["message"]
    workspace.store_credentials(other)
    workspace.apply_thing(other)
    workspace.wait_for(other.name, "Ready")
    workspace.patch("deep", {"desired": {"a": None}})
    workspace.wait_for("deep", "Ready", "False", reason="SecretNotFound")
