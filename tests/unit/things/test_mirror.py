"""What only moves the mirror of a shadow, and what a reconcile has to look at."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.loop import run_virtual
from tests.unit.things.reconciles import Reconciles
from tests.unit.twin.observations import PENDING, SYNCED, seen, session

from thing_operator.api.thing import MirrorSpec, ShadowStatus, ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.device import NO_DEVICE, DeviceProgram, compile_device
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import SessionView
from thing_operator.shadow.documents import EMPTY_DOCUMENT, ShadowDocument
from thing_operator.things.mirror import Mirror, MirrorOnly, mirror_only, mirror_report
from thing_operator.things.shadow_sync import SyncOutcome
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.mirrored import MIRROR_LIMIT
from thing_operator.twin.problem import Problem
from thing_operator.twin.status import build_status, shadow_status

SECOND = timedelta(seconds=1)
FACTS = DeviceProgram(facts={"model": "F"})
PROBLEM = Problem(Reason.RETRYING, "", stalled=False)


def mirror_only_after(view: SessionView, *, program: DeviceProgram = NO_DEVICE) -> MirrorOnly:
    return MirrorOnly(2, view, program, mirror=None)


def reported(document: Any, **values: Any) -> Any:
    """The document after a report of its device."""
    return replace(document, reported=document.reported | values, version=document.version + 1)


@pytest.mark.parametrize(
    ("program", "before", "after", "expected"),
    [
        (NO_DEVICE, SYNCED, SYNCED, True),
        (NO_DEVICE, SYNCED, reported(SYNCED, temperature=4), True),
        (NO_DEVICE, PENDING, reported(PENDING, temperature=4), True),
        (FACTS, reported(SYNCED, model="F"), reported(SYNCED, model="F", temperature=4), True),
        # What is desired, pending or ours.
        (NO_DEVICE, PENDING, reported(PENDING, a=1), False),
        (NO_DEVICE, SYNCED, reported(SYNCED, a=2), False),
        (NO_DEVICE, SYNCED, replace(SYNCED, desired={"a": 1}, version=5), False),
        (NO_DEVICE, PENDING, replace(PENDING, desired={"a": True, "b": 2}, version=4), False),
        (NO_DEVICE, PENDING, replace(PENDING, desired_metadata={"a": {"timestamp": 1}}, version=4), False),
        (FACTS, reported(SYNCED, model="F"), reported(SYNCED, model="G"), False),
        (FACTS, reported(SYNCED, model="F"), SYNCED, False),
        # No longer mirrored whole, or whole again.
        (NO_DEVICE, SYNCED, reported(SYNCED, much="x" * MIRROR_LIMIT), False),
        (NO_DEVICE, reported(SYNCED, much="x" * MIRROR_LIMIT), reported(SYNCED), False),
        (
            NO_DEVICE,
            reported(SYNCED, much="x" * MIRROR_LIMIT),
            reported(SYNCED, much="y" * MIRROR_LIMIT),
            True,
        ),
        # No shadow, or none seen.
        (NO_DEVICE, SYNCED, EMPTY_DOCUMENT, False),
        (NO_DEVICE, ShadowDocument(desired={}, reported={"a": 1}, version=1), EMPTY_DOCUMENT, False),
        (NO_DEVICE, SYNCED, None, False),
    ],
)
def test_documents(program: DeviceProgram, before: Any, after: Any, expected: bool) -> None:
    view = session(document=before)
    shadow = mirror_only_after(view, program=program).mirrored(replace(view, document=after))
    assert (shadow is not None) is expected


@pytest.mark.parametrize(
    "change",
    [{"connected": False}, {"reason": "TakenOver"}, {"fingerprint": "cd" * 32}, {"message": "other"}],
)
def test_the_session_itself_is_for_a_reconcile(change: dict[str, Any]) -> None:
    view = session(document=SYNCED)
    assert mirror_only_after(view).mirrored(replace(view, document=reported(SYNCED, t=1), **change)) is None


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ({"session": None}, {}),
        ({"session": session(connected=False, document=SYNCED)}, {}),
        ({"session": session(document=None)}, {"document": None}),
        ({"session": session(document=EMPTY_DOCUMENT)}, {"document": EMPTY_DOCUMENT}),
        ({"blocking_problem": PROBLEM}, {}),
        ({"credentials_problem": PROBLEM}, {}),
        ({"request_problem": PROBLEM}, {}),
        ({"device_problem": PROBLEM}, {}),
        ({}, {"accepted": False}),
        ({}, {"drift": ("/a",)}),
        ({}, {"requeue_after": SECOND}),
        # The document came after the plan.
        ({}, {"document": replace(SYNCED)}),
    ],
)
def test_nothing_is_steady_that_asks_for_another_reconcile(
    found: dict[str, Any], done: dict[str, Any]
) -> None:
    good: dict[str, Any] = {"accepted": True, "document": SYNCED}
    seen_good = {"session": session(document=SYNCED)}

    def outcome(found: dict[str, Any], done: dict[str, Any]) -> MirrorOnly | None:
        synced = SyncOutcome(ManagedPaths(), **(good | done))
        return mirror_only(seen(**(seen_good | found)), synced, program=NO_DEVICE)

    assert outcome({}, {}) is not None
    assert outcome(found, done) is None


async def test_a_reconcile_ends_steady_and_the_next_report_is_mirrored() -> None:
    thing = Reconciles()
    done = await thing.run({"a": 1})
    steady = mirror_only(seen(session=thing.session.view, accepted=done.accepted), done, program=NO_DEVICE)
    assert steady is not None
    shadow = steady.mirrored(thing.edited(reported={"t": 4}).session.view)
    assert shadow is not None
    assert shadow.reported == {"t": 4}


VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.fixed_dictionaries({"x": st.integers(0, 2)})
SECTIONS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=3)
EDITS = st.lists(st.tuples(st.sampled_from(["desired", "reported", "reported"]), SECTIONS), max_size=6)
DEVICES = st.fixed_dictionaries(
    {"reported": st.dictionaries(st.sampled_from("cd"), st.integers(0, 2), max_size=1)},
    optional={"acknowledge": st.just("All"), "connectionStatus": st.booleans()},
)


@settings(max_examples=150)
@given(
    wanted=st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2),
    policy=st.sampled_from(["Merge", "Exact", "Once", "Observe"]),
    device=st.none() | DEVICES,
    edits=EDITS,
)
def test_a_reconcile_over_what_can_be_mirrored_changes_nothing_but_the_mirror(
    wanted: Any, policy: str, device: Any, edits: list[tuple[str, Any]]
) -> None:
    run_virtual(_compare(wanted, policy, device, edits))


async def _compare(wanted: Any, policy: str, device: Any, edits: list[tuple[str, Any]]) -> None:
    thing, spec = Reconciles(), {"desiredPolicy": policy, "device": device}
    model = ThingSpec.model_validate({"desired": wanted, **spec})
    program = compile_device(model, thing_name="t", document_limit=8192)
    status = ThingStatus()
    steady: MirrorOnly | None = None
    for section, value in [("reported", {}), *edits]:
        thing.edited(**{section: value})
        mirror = steady.mirrored(thing.session.view) if steady else None
        sent = (list(thing.session.sent), list(thing.session.reports))
        done = await thing.run(wanted, **spec)
        found = seen(
            generation=1,
            previous=status,
            spec=model,
            session=thing.session.view,
            accepted=done.accepted,
            request_problem=done.problem,
            drift=done.drift,
            managed=done.managed,
        )
        before, status = status, build_status(found)
        if mirror:
            assert status.shadow == shadow_status(mirror, model.mirror)
            assert (thing.session.sent, thing.session.reports) == sent
            assert status.model_copy(update={"shadow": before.shadow}) == before
            assert done.requeue_after is None
        steady = mirror_only(found, done, program=program)


# --- the way around the reconcile


THING = ObjectSnapshot(
    key=ObjectKey("ns", "t"),
    uid="u",
    generation=2,
    created="2026-11-23T00:00:00Z",
    deleting_since=None,
    finalizers=(),
    spec=b"{}",
)


class Published:
    """A session that shows ``view``, and the mirrors that are written of it."""

    def __init__(self, view: SessionView) -> None:
        self.view = view
        self.mirrored: list[Any] = []

    def mirror(
        self, _snapshot: ObjectSnapshot, shadow: Callable[[], ShadowStatus], _spec: MirrorSpec | None
    ) -> None:
        self.mirrored.append(shadow().reported)


def report(mirror: Mirror, published: Published | None, *, generation: int = 2) -> bool:
    """The session has changed; whether that needs no reconcile."""
    snapshot = replace(THING, generation=generation)
    return mirror_report(snapshot, mirror, cast("Any", published), cast("Any", published))


def steady(view: SessionView) -> Mirror:
    mirror = Mirror()
    mirror.begin()
    assert mirror.finish(mirror_only_after(view)) is False
    return mirror


def test_a_report_to_a_steady_thing_goes_into_status_once() -> None:
    published = Published(session(document=SYNCED))
    mirror = steady(published.view)
    assert report(mirror, published)
    assert published.mirrored == [], "nothing has changed"
    published.view = replace(published.view, document=reported(SYNCED, t=1))
    assert report(mirror, published)
    assert report(mirror, published)
    assert published.mirrored == [{"a": 1, "b": 2, "t": 1}]


METRICS = MirrorSpec.model_validate({"metrics": [{"pointer": "/t", "name": "t", "unit": "celsius"}]})


def values(mirror: Mirror) -> list[float]:
    return [each.value for each in mirror.values]


def test_a_report_moves_the_metrics_and_one_that_is_no_number_needs_a_reconcile() -> None:
    published = Published(session(document=reported(SYNCED, t=1)))
    mirror = Mirror()
    mirror.begin()
    mirror.observe(seen(session=published.view, spec=ThingSpec(mirror=METRICS)))
    assert values(mirror) == [1.0]
    mirror.finish(MirrorOnly(2, published.view, NO_DEVICE, mirror=METRICS))
    published.view = replace(published.view, document=reported(SYNCED, t=2.5))
    assert report(mirror, published)
    assert values(mirror) == [2.5]
    published.view = replace(published.view, document=reported(SYNCED, t="hot"))
    assert not report(mirror, published)
    mirror.observe(seen(session=published.view, spec=ThingSpec(mirror=METRICS)))
    assert values(mirror) == []


def test_without_a_session_the_metrics_stand_until_nobody_asks_for_them() -> None:
    mirror = Mirror()
    mirror.observe(seen(session=session(document=reported(SYNCED, t=1)), spec=ThingSpec(mirror=METRICS)))
    mirror.observe(seen(session=None, spec=ThingSpec(mirror=METRICS)))
    assert values(mirror) == [1.0]
    mirror.observe(seen(session=None, spec=ThingSpec()))
    assert values(mirror) == []


def test_what_the_mirror_does_not_show_needs_a_reconcile() -> None:
    published = Published(session(document=SYNCED))
    mirror = steady(published.view)
    published.view = replace(published.view, document=reported(SYNCED, a=2))
    assert not report(mirror, published)
    published.view = replace(published.view, document=reported(SYNCED, t=1))
    assert not report(mirror, published, generation=3), "a spec that no reconcile has seen"
    assert not report(mirror, None), "no session"
    assert published.mirrored == []


def test_a_thing_that_is_not_steady_needs_a_reconcile() -> None:
    published = Published(session(document=SYNCED))
    assert not report(Mirror(), published)
    mirror = steady(published.view)
    mirror.begin()
    assert mirror.finish(None) is False
    assert not report(mirror, published)


def test_what_changes_during_a_reconcile_asks_for_another_unless_it_ended_steady() -> None:
    published = Published(session(document=SYNCED))
    mirror = Mirror()
    mirror.begin()
    assert report(mirror, published), "the one under way sees to it"
    assert mirror.finish(None) is True
    mirror.begin()
    assert report(mirror, published)
    assert mirror.finish(mirror_only_after(published.view)) is False
    assert mirror.steady() is not None
    mirror.begin()
    assert mirror.steady() is None
