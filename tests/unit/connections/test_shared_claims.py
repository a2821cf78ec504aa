"""When a Thing is held against those of other replicas, and what follows for it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import START, FakeClock
from tests.support.field_selectors import selected

from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.connections.claims import ThingClaims
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.connections.shared_claims import SharedClaims
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, InvalidObjectError, NotFoundError
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.sharding.rivals import Rivals
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import resolve

SETTINGS = EndpointSettings.model_validate({"host": "broker.test"})
OWN, OTHER = ObjectKey("team-a", "own"), ObjectKey("team-b", "other")
MINUTE = 60.0

UP: Mapping[str, Any] = {
    "conditions": [
        {
            "type": "Connected",
            "status": "True",
            "reason": "Connected",
            "message": "",
            "lastTransitionTime": (START - timedelta(days=1)).isoformat(),
        }
    ],
    "endpoint": {"host": "broker.test", "port": 8883},
}


def body(key: ObjectKey, *, spec: Mapping[str, Any] | None = None, status: Any = None) -> dict[str, Any]:
    metadata = {
        "namespace": key.namespace,
        "name": key.name,
        "uid": f"uid-{key.name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {"thingName": "thing", **(spec or {})}, "status": status or {}}


class NamedThings(FakeClient):
    """Lists Things by thing name, as the API server does since the CRD has the field."""

    def __init__(self) -> None:
        self.bodies = [body(OWN), body(OTHER, status=UP)]
        self.asked: list[tuple[str | None, str]] = []
        self.trouble: Exception | None = None

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        selector = query["fieldSelector"]
        self.asked.append((namespace, selector))
        if self.trouble is not None:
            raise self.trouble
        yield {"metadata": {}, "items": selected(self.bodies, selector)}

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        names = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in self.bodies]
        if (key.namespace, key.name) not in names:
            raise NotFoundError(f"{key} is not there")
        return self.bodies[names.index((key.namespace, key.name))]


@dataclass
class FakeSession:
    """One that was dropped so often soon after it was ready."""

    quick_drops: int = 0
    in_use: None = None

    @property
    def view(self) -> Any:
        return SimpleNamespace(
            connected=False,
            reason=Reason.CONNECTION_LOST,
            pending_identity_error=None,
            quick_drops=self.quick_drops,
        )


class SharedScene:
    """The Thing OWN of this replica; OTHER is another one's."""

    def __init__(self, *, namespaces: tuple[str, ...] = ()) -> None:
        self.client, self.clock = NamedThings(), FakeClock()
        self.enqueued: list[ObjectKey] = []
        self.local = ThingClaims(SETTINGS, enqueue=self.enqueued.append, clock=self.clock)
        self.members = 2
        self.elsewhere = {OTHER}
        rivals = Rivals(
            self.client,
            settings=SETTINGS,
            namespaces=namespaces,
            runs_elsewhere=lambda key, _uid: key in self.elsewhere,
            clock=self.clock,
        )
        self.delays: list[timedelta] = []
        self.claims = SharedClaims(
            self.local,
            rivals,
            members=lambda: self.members,
            has_fellows=lambda: self.members > 1,
            enqueue_after=lambda _key, delay: self.delays.append(delay),
            clock=self.clock,
        )
        self.slot = SessionSlot()
        self.before = ThingStatus()

    async def claim(self, key: ObjectKey = OWN) -> Problem | None:
        found = {snapshot.key: snapshot for snapshot in map(ObjectSnapshot.from_body, self.client.bodies)}
        snapshot = found.get(key) or ObjectSnapshot.from_body(body(OWN))
        resolved = resolve(snapshot, settings=SETTINGS, find=found.get).resolved
        assert resolved is not None
        return await self.claims.claim(snapshot, self.slot, resolved, before=self.before)

    def connect(self, quick_drops: int = 0) -> None:
        """There is a session, and the shadow has been read."""
        self.slot.session = FakeSession(quick_drops)  # type: ignore[assignment]
        self.before = ThingStatus.model_validate({"shadow": {"version": 1, "bytes": 2}})


@pytest.fixture
def scene() -> SharedScene:
    return SharedScene()


async def test_a_session_that_goes_on_costs_no_look(scene: SharedScene) -> None:
    scene.connect()
    assert await scene.claim() is None
    assert scene.client.asked == []


async def test_a_quick_drop_is_looked_into_once_and_the_loser_waits_a_minute_at_a_time(
    scene: SharedScene,
) -> None:
    scene.connect(quick_drops=1)
    problem = await scene.claim()
    assert problem is not None
    assert (problem.reason, problem.stalled) == (Reason.DUPLICATE_THING, True)
    assert problem.ends_at == START + timedelta(minutes=1)
    assert OTHER.namespace not in problem.message, "it is in a namespace that not everybody may see"
    assert scene.client.asked == [
        (None, "spec.thingName=thing,spec.parentRef.name="),
        (None, "metadata.name=thing,spec.thingName=,spec.parentRef.name="),
    ]
    assert scene.local.duplicates() == {"same_namespace": 0, "other_namespace": 1}
    scene.slot.session = None
    assert await scene.claim() == problem
    assert len(scene.client.asked) == 2
    scene.clock.advance(MINUTE)
    scene.client.bodies[1]["spec"]["suspend"] = True
    assert await scene.claim() is None
    assert len(scene.client.asked) == 4
    assert scene.local.duplicates() == {"same_namespace": 0, "other_namespace": 0}


async def test_who_wins_goes_on_and_looks_at_the_next_quick_drop(scene: SharedScene) -> None:
    scene.client.bodies = [body(OWN, status=UP), body(OTHER)]
    for drops, looks in ((1, 2), (1, 2), (2, 4), (0, 4), (1, 6)):
        scene.connect(quick_drops=drops)
        assert await scene.claim() is None
        assert len(scene.client.asked) == looks


async def test_one_that_was_never_connected_is_looked_into_before_its_first_connect(
    scene: SharedScene,
) -> None:
    assert await scene.claim() is not None
    fresh = SharedScene()
    fresh.client.bodies = [body(OWN)]
    for _ in range(2):
        assert await fresh.claim() is None
    assert len(fresh.client.asked) == 2, "once"


async def test_a_start_with_many_new_things_does_not_wait_for_looks(scene: SharedScene) -> None:
    scene.client.bodies = [body(OWN)]
    for _ in range(100):
        scene.slot = SessionSlot()
        assert await scene.claim() is None
    assert 0 < len(scene.client.asked) <= 2 * 20


async def test_what_looks_cost_does_not_grow_with_things_namespaces_or_members() -> None:
    scene = SharedScene(namespaces=("a", "b", "c", "d"))
    scene.members = 4
    scene.client.bodies = [body(OWN)]
    for _ in range(1000):
        scene.slot = SessionSlot()
        assert await scene.claim() is None
        scene.clock.advance(0.1)
    assert len(scene.client.asked) <= 40 + 100 * 4 / 4 + 8


async def test_of_many_quick_drops_each_is_looked_into_when_there_is_time(scene: SharedScene) -> None:
    """A broker that drops all its sessions is no reason to list all Things for each of them."""
    scene.client.bodies = [body(OWN)]
    slots = [SessionSlot() for _ in range(50)]
    for seconds in range(100):
        for scene.slot in slots:
            scene.connect(quick_drops=1)
            assert await scene.claim() is None
        if not seconds:
            assert len(scene.client.asked) == 40
        scene.clock.advance(1)
    assert len(scene.client.asked) == 2 * len(slots)


async def test_of_many_duplicates_each_is_looked_into_when_there_is_time(scene: SharedScene) -> None:
    slots = [SessionSlot() for _ in range(50)]
    for scene.slot in slots:
        scene.slot.rivalry.holder = OTHER
        problem = await scene.claim()
        assert problem is not None
        assert problem.ends_at is not None
        assert problem.ends_at > scene.clock.now(), "it is not reconciled without end"
    assert len(scene.client.asked) == 40


async def test_one_that_was_connected_before_a_restart_is_not_looked_into(scene: SharedScene) -> None:
    scene.connect()
    scene.slot.session = None
    assert await scene.claim() is None
    assert scene.client.asked == []


async def test_things_of_this_replica_and_of_other_operators_do_not_count(scene: SharedScene) -> None:
    scene.elsewhere = set()
    scene.connect(quick_drops=1)
    assert await scene.claim() is None


async def test_alone_there_is_nobody_to_look_for(scene: SharedScene) -> None:
    scene.members = 1
    scene.connect(quick_drops=1)
    assert await scene.claim() is None
    assert scene.client.asked == []


async def test_who_waits_stops_when_the_replicas_are_one(scene: SharedScene) -> None:
    scene.connect(quick_drops=1)
    assert await scene.claim() is not None
    scene.members = 1
    assert await scene.claim() is None


async def test_in_its_namespaces_alone_does_an_operator_look() -> None:
    scene = SharedScene(namespaces=("team-a", "team-b"))
    scene.connect(quick_drops=1)
    assert await scene.claim() is not None
    assert {namespace for namespace, _ in scene.client.asked} == {"team-a", "team-b"}


async def test_a_status_that_is_no_operators_counts_for_nothing(scene: SharedScene) -> None:
    scene.client.bodies[1]["status"] = {"conditions": "none"}
    scene.connect(quick_drops=1)
    assert await scene.claim() is None


async def test_an_object_that_is_deleted_meanwhile_waits_for_nobody(scene: SharedScene) -> None:
    scene.client.bodies = [body(OTHER, status=UP)]
    scene.connect(quick_drops=1)
    assert await scene.claim() is None


async def test_a_crd_without_the_field_is_said_and_no_reason_to_stop(
    scene: SharedScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.client.trouble = InvalidObjectError("field label not supported: spec.thingName")
    scene.connect(quick_drops=1)
    assert await scene.claim() is None
    assert "update the CRDs" in caplog.text
    scene.client.trouble = ApiUnavailableError("away")
    scene.connect(quick_drops=2)
    with pytest.raises(ApiUnavailableError):
        await scene.claim()


async def test_a_claim_that_is_withdrawn_waits_for_nobody(scene: SharedScene) -> None:
    scene.connect(quick_drops=1)
    assert await scene.claim() is not None
    scene.claims.withdraw(OWN)
    assert scene.local.duplicates() == {"same_namespace": 0, "other_namespace": 0}


HUB, CHILD, FULL = ObjectKey("team-a", "hub"), ObjectKey("team-a", "c1"), ObjectKey("team-b", "full")
PARENT = body(HUB, spec={"thingName": "hub"}, status=UP)


def child(**options: Any) -> dict[str, Any]:
    return body(CHILD, spec={"thingName": "c1", "parentRef": {"name": HUB.name}}, **options)


def full(**options: Any) -> dict[str, Any]:
    return body(FULL, spec={"thingName": "hub__c1"}, **options)


async def test_a_thing_with_a_childs_name_is_held_against_the_child_of_another_replica(
    scene: SharedScene,
) -> None:
    scene.elsewhere = {HUB}
    scene.client.bodies = [
        PARENT,
        child(status=UP),
        full(),
        body(OTHER, spec={"parentRef": {"name": HUB.name}}),
    ]
    problem = await scene.claim(FULL)
    assert problem is not None
    assert (problem.reason, problem.stalled) == (Reason.DUPLICATE_THING, True)
    assert scene.client.asked == [
        (None, "spec.thingName=hub__c1,spec.parentRef.name="),
        (None, "spec.thingName=hub,spec.parentRef.name="),
        ("team-a", "spec.parentRef.name=hub"),
        (None, "metadata.name=hub,spec.thingName=,spec.parentRef.name="),
    ]


async def test_a_child_is_held_against_a_thing_of_another_replica_whenever_it_begins(
    scene: SharedScene,
) -> None:
    scene.elsewhere = {FULL}
    scene.client.bodies = [PARENT, child(), full(status=UP)]
    problem = await scene.claim(CHILD)
    assert problem is not None
    assert problem.reason == Reason.DUPLICATE_THING
    assert scene.client.asked == [(None, "spec.thingName=hub__c1,spec.parentRef.name=")]
    assert scene.local.duplicates() == {"same_namespace": 0, "other_namespace": 1}
    scene.clock.advance(MINUTE)
    scene.client.bodies = [PARENT, child()]
    assert await scene.claim(CHILD) is None
    scene.client.bodies = [PARENT, child(), full(status=UP)]
    scene.connect()
    assert await scene.claim(CHILD) is None, "no look while its session goes on"
    scene.slot.session = None
    assert await scene.claim(CHILD) is not None, "it begins again"


async def test_a_child_that_has_come_from_another_replica_is_not_looked_into(scene: SharedScene) -> None:
    scene.before = ThingStatus.model_validate(UP)
    scene.client.bodies = [PARENT, child()]
    assert await scene.claim(CHILD) is None
    assert scene.client.asked == []


async def test_many_children_begin_at_once_and_are_looked_into_in_turn(scene: SharedScene) -> None:
    scene.client.bodies = [PARENT, child()]
    slots = [SessionSlot() for _ in range(80)]
    for scene.slot in slots:
        assert await scene.claim(CHILD) is None
    assert 0 < len(scene.client.asked) <= 40
    assert len(scene.delays) == 80 - len(scene.client.asked)
    assert len(set(scene.delays)) == len(scene.delays)
    scene.clock.advance(max(scene.delays).total_seconds() + 1)
    for scene.slot in slots:
        scene.connect()
        assert await scene.claim(CHILD) is None
    assert len(scene.client.asked) == 80


async def test_a_child_that_is_deleted_meanwhile_waits_for_nobody(scene: SharedScene) -> None:
    scene.elsewhere = {FULL}
    scene.client.bodies = [child(), PARENT, full(status=UP)]
    whole = scene.client.bodies
    snapshot = ObjectSnapshot.from_body(whole[0])
    resolved = resolve(
        snapshot, settings=SETTINGS, find=lambda _key: ObjectSnapshot.from_body(PARENT)
    ).resolved
    assert resolved is not None
    for scene.client.bodies in (whole[1:], [whole[0], whole[2]]):
        claimed = await scene.claims.claim(snapshot, SessionSlot(), resolved, before=scene.before)
        assert claimed is None


async def test_children_of_two_parents_may_have_one_name(scene: SharedScene) -> None:
    """What a parent's name ends with may as well be what its child's begins with."""
    scene.elsewhere = {OTHER}
    own, other = ObjectKey("team-a", "own-child"), ObjectKey("team-b", "other-child")
    scene.client.bodies = [
        body(HUB, spec={"thingName": "hub_"}, status=UP),
        body(OTHER, spec={"thingName": "hub"}, status=UP),
        body(own, spec={"thingName": "c", "parentRef": {"name": HUB.name}}),
        body(other, spec={"thingName": "_c", "parentRef": {"name": OTHER.name}}, status=UP),
    ]
    problem = await scene.claim(own)
    assert problem is not None
    assert problem.reason == Reason.DUPLICATE_THING
