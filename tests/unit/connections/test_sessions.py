"""Giving a Thing its session: what is read when, and what is read again though nothing that is watched changes."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.support.fakes import ServiceSession
from tests.support.pki import Authority, ec_pair

from thing_operator.connections.credentials import CaNotFoundError
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.connections.sessions import SessionManager
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.resolved import ResolvedThing

THING = ObjectSnapshot(
    key=ObjectKey("ns", "t"),
    uid="u",
    generation=1,
    created="2026-11-23T00:00:00Z",
    deleting_since=None,
    finalizers=(),
    spec=b"{}",
)
CA = Authority.new().pem
TARGET = ResolvedThing("t", "localhost", 8883, None, None, "thing-t", None, None)
TARGET_WITH_CA = ResolvedThing("t", "localhost", 8883, None, "broker-ca", "thing-t", None, None)


class SecretsAndConfigMaps(FakeClient):
    """The API server, as far as Secrets and ConfigMaps go: bodies, or errors in their place."""

    def __init__(self) -> None:
        pair = ec_pair()
        data = {"tls.crt": pair.certificate, "tls.key": pair.private_key}
        secret = {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}
        self.answers: dict[Resource, Any] = {SECRETS: secret, CONFIG_MAPS: NotFoundError("not there")}
        self.asked: list[Resource] = []
        self.mistakes: list[ThingOperatorError] = []

    async def get(self, resource: Resource, key: ObjectKey, *, not_before: str | None = None) -> Any:
        self.asked.append(resource)
        if self.mistakes:
            raise self.mistakes.pop()
        answer = self.answers[resource]
        if isinstance(answer, ThingOperatorError):
            raise answer
        return answer


class SessionsOfOneThing:
    """A Thing whose session is asked for again and again."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.budget = MemoryBudget(10**7)
        self.slot = SessionSlot()
        self.store = SecretsAndConfigMaps()
        self.opened: list[Any] = []
        self.sessions = SessionManager(
            client=self.store,
            hub=self,  # type: ignore[arg-type]
            cache=ObjectCache(),
            default_ca=None,
            secrets_seen=lambda _namespace: None,
            may_connect=lambda _key, _uid, _dropped_at: True,
            without_secret=timedelta(hours=1),
            on_session_change=lambda _key: None,
            session_of=lambda _key: None,
            clock=self.clock,
        )

    def open(self, spec: Any, _on_change: Any) -> ServiceSession:
        self.opened.append(spec)
        return ServiceSession()

    async def ensure(self, resolved: ResolvedThing = TARGET) -> None:
        identity = await self.sessions.identify(THING, self.slot, resolved)
        await self.sessions.ensure(THING, self.slot, resolved, identity)


async def test_credentials_are_read_once() -> None:
    scene = SessionsOfOneThing()
    await scene.ensure()
    await scene.ensure()
    assert scene.store.asked == [SECRETS]
    assert [spec.thing_name for spec in scene.opened] == ["t"]


async def test_a_missing_right_is_noted_and_the_next_reconcile_tries_again() -> None:
    scene = SessionsOfOneThing()
    secret, scene.store.answers[SECRETS] = scene.store.answers[SECRETS], ForbiddenError("get: 403")
    await scene.ensure()
    problem = scene.slot.credentials_problem
    assert problem is not None
    assert (problem.reason, problem.stalled) == ("Forbidden", True)
    scene.store.answers[SECRETS] = secret
    await scene.ensure()
    assert scene.slot.credentials_problem is None
    assert len(scene.opened) == 1


async def test_a_ca_that_is_missing_is_read_at_the_next_reconcile() -> None:
    scene = SessionsOfOneThing()
    with pytest.raises(CaNotFoundError, match="broker-ca"):
        await scene.ensure(TARGET_WITH_CA)
    scene.store.answers[CONFIG_MAPS] = {"data": {"ca.crt": CA}}
    await scene.ensure(TARGET_WITH_CA)
    assert [spec.endpoint.ca.pem for spec in scene.opened] == [CA]


async def test_a_single_404_for_a_secret_is_not_believed() -> None:
    scene = SessionsOfOneThing()
    scene.store.mistakes = [NotFoundError("a mistake")]
    await scene.ensure()
    assert scene.slot.credentials_problem is None
    assert len(scene.opened) == 1
