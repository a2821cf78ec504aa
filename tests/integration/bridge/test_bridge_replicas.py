"""The bridge with several replicas: any of them answers for every Thing, and a stream outlives its holder."""

from collections.abc import Iterator

import pytest
from tests.support.bridge import Caller, make_caller
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.polling import eventually
from tests.support.ports import reserved_ports
from tests.support.replicas import Group, ReplicaProcess

from thing_operator_local.ports import LOOPBACK


@pytest.fixture
def bridges(group: Group, things: Things) -> Iterator[list[ReplicaProcess]]:
    """Two replicas, each with a bridge, that share eight Things."""
    fleet = things(8)
    group.apply_things(fleet, desired={"v": 1})
    group.make()
    for each in group.replicas:
        (port,) = reserved_ports(1)
        each.settings |= {
            "THING_OPERATOR_BRIDGE__PORT": str(port),
            "THING_OPERATOR_BRIDGE__ADVERTISED_ADDRESS": LOOPBACK,
        }
        each.start()
    group.await_all_ready()
    group.await_shared(group.replicas)
    group.await_up()
    yield group.replicas
    for each in group.replicas:
        each.stop(grace=20)
        assert "eyJ" not in each.log.read_text(errors="replace")


def callers(group: Group, kubectl: Kubectl) -> list[Caller]:
    """The same service account at each replica's bridge."""
    token = make_caller(kubectl, group.namespace)
    ports = [int(each.settings["THING_OPERATOR_BRIDGE__PORT"]) for each in group.replicas]
    return [Caller(port, token, group.namespace) for port in ports]


def test_any_replica_answers_for_every_thing(
    group: Group, bridges: list[ReplicaProcess], kubectl: Kubectl
) -> None:
    names = [thing.name for thing in group.things]
    first, second = callers(group, kubectl)
    for number, name in enumerate(names):
        for each in (first, second):
            assert each.report(name, {"n": number, "port": each.port}).status == 200
            assert each.shadow(name).body["reported"] == {"n": number, "port": each.port}
    forwarded = [
        each.ask("GET", f"{name}/shadow", headers={"Thing-Operator-Forwarded": "1"})
        for each in (first, second)
        for name in names
    ]
    statuses = [answer.status for answer in forwarded]
    # Each Thing is one replica's, and who does not have it passes nothing on a second time.
    assert sorted(statuses) == [200] * len(names) + [503] * len(names)
    assert {answer.body["reason"] for answer in forwarded if answer.status == 503} == {"HolderUnknown"}
    assert first.shadow("nothing").status == second.shadow("nothing").status == 404
    stranger = Caller(
        first.port, make_caller(kubectl, group.namespace, "stranger", verbs=()), group.namespace
    )
    assert [stranger.shadow(name).status for name in names] == [403] * len(names)


def test_a_stream_by_another_replica_goes_on_after_its_holder_has_ended(
    group: Group, bridges: list[ReplicaProcess], kubectl: Kubectl
) -> None:
    first, second = callers(group, kubectl)
    here = {"Thing-Operator-Forwarded": "1"}
    name = next(
        thing.name
        for thing in group.things
        if second.ask("GET", f"{thing.name}/shadow", headers=here).status == 200
    )
    with first.events(name) as events:
        assert next(events)[0] == "document"
        assert second.report(name, {"a": 1}).status == 200
        last_id = next(
            id_ for kind, data, id_ in events if kind == "document" and data["reported"] == {"a": 1}
        )
        assert bridges[1].stop(grace=60) == 0
        list(events)  # it ends with its holder
    eventually(lambda: first.report(name, {"a": 2}).status == 200, "the other replica has it")
    with first.events(name, last_id=last_id) as events:
        assert next(data["reported"] for kind, data, _ in events if kind == "document") == {"a": 2}
