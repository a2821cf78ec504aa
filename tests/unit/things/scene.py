"""One Thing, or two, as the stages, the queue and the status writer see it; the API server, the session and time are
made up.
"""

import base64
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.duties import EVERYTHING
from tests.support.fakes import ServiceSession
from tests.support.intents import no_intent_log
from tests.support.pki import ec_key, ec_pair, make_certificate

from thing_operator.api.names import THINGS
from thing_operator.api.status import reduced_status
from thing_operator.config import Settings
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.informing.controller import Controller
from thing_operator.kube.ports import Operations
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.observability.observers import ThingObserver
from thing_operator.session import SessionView
from thing_operator.things.services import ThingServices
from thing_operator.things.wiring import wire_things

KEY = ObjectKey("ns", "t")
OLD_CA, NEW_CA = (make_certificate(ec_key()).decode() for _ in range(2))
SOON = timedelta(seconds=1)
WITHOUT_SECRET = 100
"""Seconds."""


def secret(certificate: bytes, private_key: bytes) -> dict[str, Any]:
    data = {"tls.crt": certificate, "tls.key": private_key}
    return {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}


def good_secret() -> dict[str, Any]:
    pair = ec_pair()
    return secret(pair.certificate, pair.private_key)


class TroubledSession(ServiceSession):
    """A session that is up unless ``trouble`` is there; reports a change when asked to."""

    def __init__(self, scene: "ThingScene", spec: Any, on_change: Callable[[Any], None]) -> None:
        super().__init__()
        self.scene = scene
        self.spec = spec
        self.changed: Callable[[], None] = lambda: on_change(self)
        self.service = scene.service
        self.hear()

    @property
    def view(self) -> SessionView:
        trouble = self.scene.trouble(self.spec)
        view = replace(super().view, connected=trouble is None)
        return view if trouble is None else replace(view, reason=trouble, message=f"because of {trouble}")

    async def update(self, **sections: Any) -> Any:
        self.codes = self.scene.codes
        return await super().update(**sections)

    def replace(self, spec: Any) -> None:
        self.spec = spec
        self.changed()

    async def close(self) -> None:
        pass


class ThingScene(FakeClient):
    """One Thing, or two, from the API server's answers to status; all is well at first."""

    def __init__(self) -> None:
        self.clock = FakeClock(loop_time)
        self.budget = MemoryBudget(10**6)
        self.answers: dict[Resource, Any] = {
            SECRETS: good_secret(),
            CONFIG_MAPS: {"data": {"ca.crt": OLD_CA}},
        }
        self.trouble: Callable[[Any], Reason | None] = lambda _spec: None
        self.codes: list[int] = []
        self.refuses_status: ThingOperatorError | None = None
        self.refuses_large: ThingOperatorError | None = None
        self.status: dict[ObjectKey, Any] = {}
        self.writes = 0
        self.reconciles = 0
        self.sessions: list[TroubledSession] = []
        self.service = ServiceSession().service
        self.version = 1
        rng = random.Random(1)
        self.writer = StatusWriter(
            self,
            writes_per_second=1000,
            retry=StatusWriter.default_retry(rng),
            clock=self.clock,
            on_deleted=lambda _ref: None,
            on_refused=lambda held, refused, why: reduced_status(held, refused, why, now=self.clock.now()),
        )
        self.controller = Controller(
            self,
            THINGS,
            name="things",
            reconcile=self._reconcile,
            concurrency=4,
            namespaces=(),
            writer=self.writer,
            on_reconciled=self._count,
            on_broken=self._say_broken,
            budget=MemoryBudget(1 << 26),
            clock=self.clock,
            rng=rng,
        )
        self.things = wire_things(
            ThingServices(
                spec_is_current=lambda _namespace: True,
                secrets_seen=lambda _namespace: None,
                client=self,
                hub=self,  # type: ignore[arg-type]
                cache=self.controller.cache,
                writer=self.writer,
                intents=no_intent_log(self.clock),
                settings=Settings.model_validate(
                    {
                        "endpoint": {"allowedHosts": ["broker"]},
                        "session": {"withoutSecret": f"{WITHOUT_SECRET}s"},
                    }
                ),
                default_ca=None,
                enqueue=self.controller.queue.add,
                enqueue_after=lambda key, delay: self.controller.queue.add(key, delay=delay),
                record_event=lambda _snapshot, _reason, _message: None,
                observer=ThingObserver(),
                duties=EVERYTHING,
                clock=self.clock,
                rng=rng,
            )
        )

    async def _reconcile(self, key: ObjectKey) -> timedelta | None:
        return await self.things.reconciler.reconcile(key)

    def _say_broken(self, key: ObjectKey, error: Exception) -> None:
        self.things.reconciler.report_broken(key, error)

    def _count(self, _name: str, _good: bool, _seconds: float) -> None:
        self.reconciles += 1

    # --- what the operator asks

    async def get(self, resource: Resource, key: ObjectKey, *, not_before: str | None = None) -> Any:
        if resource is THINGS:
            return {"metadata": {"uid": f"{key.name}-uid"}}
        answer = self.answers[resource]
        if isinstance(answer, ThingOperatorError):
            raise answer
        return answer

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        if self.refuses_status is not None:
            raise self.refuses_status
        if self.refuses_large is not None and "shadow" in decode(encode(operations))[-1]["value"]:
            raise self.refuses_large
        self.writes += 1
        self.status[key] = decode(encode(operations))[-1]["value"]
        return ""

    def open(self, spec: Any, on_change: Callable[[Any], None]) -> TroubledSession:
        self.sessions.append(TroubledSession(self, spec, on_change))
        return self.sessions[-1]

    # --- what happens

    def follow(self, before: "ThingScene") -> None:
        """Be another process over the same API server and cloud; what was submitted last is so once more."""
        self.answers, self.trouble = before.answers, before.trouble
        self.status, self.service, self.version = before.status, before.service, before.version - 1

    def submit(self, spec: Mapping[str, Any], *, name: str = KEY.name, created: str = "2026-02-02") -> None:
        self.version += 1
        metadata = {
            "namespace": KEY.namespace,
            "name": name,
            "uid": f"{name}-uid",
            "generation": self.version,
            "resourceVersion": str(self.version),
            "creationTimestamp": f"{created}T00:00:00Z",
        }
        wanted: dict[str, Any] = {"endpoint": {"host": "broker"}, "desired": {"a": 1}} | dict(spec)
        status = self.status.get(ObjectKey(KEY.namespace, name), {})
        self.controller.informer.on_event(
            "MODIFIED", {"metadata": metadata, "spec": wanted, "status": status}
        )

    def report(self) -> None:
        """The sessions see something new."""
        for session in self.sessions:
            session.hear()
            session.changed()

    def said(self) -> dict[str, tuple[str, str]]:
        conditions = self.status.get(KEY, {}).get("conditions", ())
        return {found["type"]: (found["status"], found["reason"]) for found in conditions}

    def carries(self, reason: Reason) -> bool:
        return any(reason == found for _, found in self.said().values())

    def is_well(self) -> bool:
        said = self.said()
        good = all(
            said.get(kind, ("", ""))[0] == "True" for kind in ("Ready", "CredentialsValid", "Connected")
        )
        return good and not {"Stalled", "Reconciling"} & said.keys()


@asynccontextmanager
async def running() -> AsyncIterator[ThingScene]:
    scene = ThingScene()
    await scene.writer.start()
    await scene.controller.queue.start()
    try:
        yield scene
    finally:
        await scene.controller.queue.stop(timeout=SOON)
        await scene.writer.stop()
