"""The end of a Thing that asked for one: done, tried for a bounded time, and never skipped."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import START, FakeClock
from tests.support.fakes import ServiceSession

from thing_operator.api.names import FINALIZER
from thing_operator.api.thing import DeletionPolicy
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ConflictError, DeniedObjectError, ForbiddenError, InvalidObjectError
from thing_operator.kube.ports import Operations
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session.errors import rejection
from thing_operator.things.finalizer import ShadowFinalizer
from thing_operator.twin.managed_paths import ManagedPaths

TIMEOUT = timedelta(minutes=5)


class Finalizers(FakeClient):
    """The API server, as far as finalizers go."""

    def __init__(self) -> None:
        self.patched: list[Any] = []
        self.error: ThingOperatorError | None = None

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        if self.error is not None:
            raise self.error
        self.patched.append(operations[-1]["value"])
        return ""


class DeletedThing:
    """A Thing with our finalizer and another one, deleted an hour ago by the API server's clock and now seen."""

    def __init__(self, *, timeout: timedelta = TIMEOUT, ago: timedelta = timedelta(hours=1)) -> None:
        self.clock = FakeClock()
        self.ago, self.since = ago, self.clock.monotonic()
        self.client = Finalizers()
        self.events: list[str] = []
        self.session: Any = ServiceSession()
        self.session.foreign(desired={"a": 1, "foreign": 2}, reported={"fact": 1, "measured": 2})
        self.session.hear()
        self.finalizer = ShadowFinalizer(
            client=self.client,
            timeout=timeout,
            clock=self.clock,
            record_event=lambda _snapshot, reason, _message: self.events.append(reason),
        )

    async def finish(self, policy: DeletionPolicy = DeletionPolicy.CLEAR) -> timedelta | None:
        snapshot = ObjectSnapshot(
            key=ObjectKey("ns", "t"),
            uid="u",
            generation=2,
            created="2026-11-23T00:00:00Z",
            deleting_since=START - self.ago,
            finalizers=(FINALIZER, "example.org/theirs"),
            spec=b"{}",
        )
        managed = ManagedPaths(desired=("/a",), reported=("/fact",))
        return await self.finalizer.finish(
            snapshot, policy=policy, session=self.session, managed=managed, since=self.since
        )

    async def hangs_for(self) -> timedelta:
        """How long it hangs while there is no session."""
        self.session.connected = False
        began = self.clock.now()
        while (again := await self.finish()) is not None:
            self.clock.advance(again.total_seconds())
        return self.clock.now() - began


async def test_our_keys_leave_both_sections_and_the_finalizer_goes() -> None:
    scene = DeletedThing()
    assert await scene.finish() is None
    assert scene.session.desired() == {"foreign": 2}
    assert scene.session.reported() == {"measured": 2}
    assert scene.client.patched == [["example.org/theirs"]]
    assert scene.events == ["ShadowCleared"]


@pytest.mark.parametrize(
    ("timeout", "said"), [(TIMEOUT, "ShadowCleared"), (timedelta(0), "DeletionTimedOut")]
)
async def test_what_was_done_is_said_once_the_thing_is_released(timeout: timedelta, said: str) -> None:
    """A Role may be missing for hours: neither the log nor Events tell each time of a release that was refused."""
    scene = DeletedThing(timeout=timeout)
    scene.session.connected = timeout > timedelta(0)
    scene.client.error = ForbiddenError("may not patch things")
    for _ in range(3):
        with suppress(ForbiddenError):
            assert await scene.finish() is not None
    assert scene.events == []
    scene.client.error = None
    assert await scene.finish() is None
    assert scene.events == [said]


async def test_the_time_before_the_operators_start_does_not_count() -> None:
    scene = DeletedThing()
    scene.session.connected = False
    again = await scene.finish()
    assert again is not None
    assert scene.client.patched == []
    scene.clock.advance(TIMEOUT.total_seconds() - 1)
    scene.session.connected = True
    assert await scene.finish() is None
    assert scene.events == ["ShadowCleared"]


@pytest.mark.parametrize("ago", [timedelta(hours=hours) for hours in (-1, 0, 1, 23)])
async def test_the_wait_is_as_long_as_configured_whatever_the_api_servers_clock_says(ago: timedelta) -> None:
    scene = DeletedThing(ago=ago)
    assert await scene.hangs_for() == TIMEOUT
    assert scene.events == ["DeletionTimedOut"]


@pytest.mark.parametrize(
    ("timeout", "tried_for"),
    [(TIMEOUT, timedelta(minutes=1)), (timedelta(seconds=2), timedelta(seconds=2))],
)
async def test_restarts_do_not_have_it_wait_for_ever(timeout: timedelta, tried_for: timedelta) -> None:
    assert await DeletedThing(timeout=timeout, ago=timedelta(days=2)).hangs_for() == tried_for


async def test_without_a_session_it_is_released_when_the_time_is_up() -> None:
    scene = DeletedThing()
    scene.session.connected = False
    scene.clock.advance(TIMEOUT.total_seconds())
    assert await scene.finish() is None
    assert scene.events == ["DeletionTimedOut"]
    assert scene.client.patched == [["example.org/theirs"]]


async def test_a_service_that_does_not_answer_holds_it_no_longer_than_that() -> None:
    scene = DeletedThing(timeout=timedelta(milliseconds=20))

    async def never(**_sections: Any) -> None:
        scene.clock.advance(1)
        await asyncio.get_running_loop().create_future()

    scene.session.update = never
    assert await scene.finish() is None
    assert scene.events == ["DeletionTimedOut"]


@pytest.mark.parametrize("policy", [DeletionPolicy.CLEAR, DeletionPolicy.DELETE])
async def test_a_cloud_that_denies_holds_it_no_longer_than_that_and_is_asked_until_then(
    policy: DeletionPolicy,
) -> None:
    scene = DeletedThing()
    denied = rejection(code=403, message="Forbidden")
    tries = 0

    async def deny(**_sections: Any) -> None:
        nonlocal tries
        tries += 1
        raise denied

    scene.session.update = scene.session.delete_shadow = deny
    again = await scene.finish(policy)
    assert again is not None
    assert again > timedelta(0)
    assert scene.client.patched == []
    scene.clock.advance(TIMEOUT.total_seconds())
    # The time is up, whatever the answer of a last try would be.
    assert await scene.finish(policy) is None
    assert tries >= 1
    assert scene.events == ["DeletionTimedOut"]
    assert scene.client.patched == [["example.org/theirs"]]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (InvalidObjectError("422: a test of the patch has failed"), ConflictError),
        (DeniedObjectError("422: a policy denied the request"), DeniedObjectError),
    ],
)
async def test_what_a_policy_denies_is_not_taken_for_a_change_in_between(
    answer: ThingOperatorError, raised: type[ThingOperatorError]
) -> None:
    scene = DeletedThing(timeout=timedelta(0))
    scene.session.connected = False
    scene.client.error = answer
    with pytest.raises(raised):
        await scene.finish()
