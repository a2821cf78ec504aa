"""Random trouble with the API server, and a fleet that goes on changing meanwhile."""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import psutil
from tests.support.background import background_loop
from tests.support.bare_api import THINGS, Api
from tests.support.devices import Device, service_identity
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.meddling_rules import HTML, Meddling, error_line, status
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.controlplane import ControlPlane

_BATCHES = THINGS.replace("/things", "/thingbatches")
_MERGE = "application/merge-patch+json"
_KINDS = ("/things$", "/thingbatches$", "/secrets$")
_PATHS = (*_KINDS, "/status$", "/secrets/", "/events$", "")
_REFUSALS = {
    401: "Unauthorized",
    403: "Forbidden",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
_MOST_AT_A_TIME = 4
_PATIENCE = 0.2
"""Seconds that an operator gets to run into a trouble; one that is between two tries asks nothing."""


class ChangingFleet:
    """Things whose specs are edited and whose devices report, and a ThingBatch that is edited, too.

    A few more are deleted and recreated all the time: ``replaced``.
    """

    def __init__(self, workspace: Workspace, kubeconfig: Path, things: list[CloudThing]) -> None:
        self.things = things
        self.replaced: list[CloudThing] = []
        self._workspace = workspace
        self._kubeconfig = kubeconfig
        self._stack = ExitStack()
        self._things_path = THINGS.format(namespace=workspace.namespace)
        self._batch_path = f"{_BATCHES.format(namespace=workspace.namespace)}/b"
        self._desired: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._batch = 0

    def __enter__(self) -> Self:
        workspace = self._workspace
        self._run = self._stack.enter_context(background_loop())
        self._api = Api(self._kubeconfig)
        self._run(self._api.__aenter__())
        self._observer = Device(workspace.cloud.info, service_identity(workspace.cloud.info))
        self._stack.enter_context(self._observer)
        self._observer.subscribe("$aws/things/+/shadow/update/documents")
        batch = workspace.manifest("ThingBatch", "b", self._batch_spec())
        self._apply(self.things, batch)
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._api.__aexit__(None, None, None))
        self._stack.close()

    def add_replaced(self, things: list[CloudThing]) -> None:
        """Have these, too; their sessions end with each of their objects."""
        self.replaced = things
        self._apply(things)

    def replace(self, thing: CloudThing) -> None:
        """Delete the object and make it again, with another desired value."""
        self._run(self._api.call("DELETE", f"{self._things_path}/{thing.name}"))
        self._desired[thing.name] += 1
        self._run(self._api.call("POST", self._things_path, self._manifest(thing)))

    def edit(self, thing: CloudThing) -> None:
        """Another desired value, larger than all before."""
        self._desired[thing.name] += 1
        value = self._desired[thing.name]
        self._patch(f"{self._things_path}/{thing.name}", {"desired": {"v": value}})

    def edit_batch(self) -> None:
        self._batch += 1
        self._patch(self._batch_path, self._batch_spec())

    def report(self, thing: CloudThing) -> None:
        """Another reported value."""
        self._reported[thing.name] += 1
        self._workspace.cloud.update_shadow(thing, {"reported": {"n": self._reported[thing.name]}})

    def await_caught_up(self) -> None:
        """Wait until shadows, statuses and the ThingBatch are as specs and devices say; fails with who is not."""
        behind: list[str] = []

        def none_is_behind() -> bool:
            behind[:] = self._behind()
            return not behind

        try:
            eventually(none_is_behind, "the fleet has caught up", pause=0.5)
        except AssertionError:
            raise AssertionError(f"not caught up: {behind}") from None

    def set_back(self) -> list[str]:
        """Things whose shadow had an older desired value after a newer one."""
        newest: dict[str, int] = {}
        found = []
        while not self._observer.messages.empty():
            topic, payload = self._observer.messages.get()
            name = topic.split("/")[2]
            value = json.loads(payload)["current"]["state"].get("desired", {}).get("v")
            if name in self._desired and value is not None:
                if value < newest.get(name, 0):
                    found.append(f"{name}: {value} after {newest[name]}")
                newest[name] = value
        return found

    def _behind(self) -> list[str]:
        bodies = self._run(self._api.call("GET", self._things_path))["items"]
        things = {thing.name: thing for thing in (*self.things, *self.replaced)}
        missing = things.keys() - {body["metadata"]["name"] for body in bodies}
        found = [f"{name}: there is none" for name in missing]
        found += [
            line for body in bodies for line in self._thing_behind(body, things[body["metadata"]["name"]])
        ]
        batch = self._run(self._api.call("GET", self._batch_path))
        zip_name = f"zip-{self._batch}"
        if not _is_current(batch, "SourceNotFound") or zip_name not in json.dumps(batch["status"]):
            found.append(f"b: {batch['status']}")
        return found

    def _thing_behind(self, body: Json, thing: CloudThing) -> Iterator[str]:
        name, state = body["metadata"]["name"], body["status"]
        if not _is_current(body, "Accepted"):
            yield f"{name}: generation {body['metadata']['generation']}, {state}"
        shadow = state.get("shadow", {})
        if shadow.get("reported") != {"n": self._reported[name]}:
            yield f"{name}: reported {self._reported[name]}, {shadow}"
        if self._workspace.desired(thing) != {"v": self._desired[name]}:
            yield f"{name}: desired {self._desired[name]}, {self._workspace.desired(thing)}"

    def _apply(self, things: list[CloudThing], *others: Json) -> None:
        """Secrets and Things of these, and a first report of each."""
        self._desired |= {thing.name: 0 for thing in things}
        self._reported |= {thing.name: 0 for thing in things}
        bodies = [*map(self._workspace.secret, things), *map(self._manifest, things), *others]
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        self._workspace.kubectl("apply", "--server-side", "--filename=-", stdin=items)
        for thing in things:
            self.report(thing)

    def _manifest(self, thing: CloudThing) -> Json:
        spec = {"thingName": thing.name, "desired": {"v": self._desired[thing.name]}}
        return self._workspace.manifest("Thing", thing.name, spec)

    def _batch_spec(self) -> Json:
        return {"source": {"secrets": [{"name": f"zip-{self._batch}", "key": "batch.zip"}]}}

    def _patch(self, path: str, spec: Json) -> None:
        self._run(self._api.call("PATCH", path, {"spec": spec}, content_type=_MERGE))


def _is_current(body: Json, reason: str) -> bool:
    generation = body["metadata"]["generation"]
    ready = [each for each in body["status"].get("conditions", []) if each["type"] == "Ready"]
    return body["status"].get("observedGeneration") == generation and [
        (each["reason"], each["observedGeneration"]) for each in ready
    ] == [(reason, generation)]


class Chaos:
    """One trouble a step, drawn from ``rng``; a few last over several steps."""

    def __init__(
        self, rng: random.Random, *, proxy: MeddlingProxy, plane: ControlPlane, fleet: ChangingFleet
    ) -> None:
        self._rng = rng
        self._proxy = proxy
        self._plane = plane
        self._fleet = fleet
        self._lasting: list[Meddling] = []
        self._counts: dict[Callable[[], Meddling | None], int] = {
            self._refuse: 65,
            self._answer_html: 25,
            self._find_nothing_once: 20,
            self._put_in_an_error: 25,
            self._cut: 20,
            self._reset: 15,
            self._stall: 10,
            self._hold: 15,
            self._restart_api_server: 2,
            self._stop_etcd: 3,
        }

    def run(self) -> None:
        """All troubles, in an order of ``rng``; none is left at the end."""
        kinds = [kind for kind, count in self._counts.items() for _ in range(count)]
        self._rng.shuffle(kinds)
        try:
            for kind in kinds:
                self._step(kind)
        finally:
            self._proxy.clear()

    def _step(self, kind: Callable[[], Meddling | None]) -> None:
        """Another trouble; some Things change under it, and an older one may end."""
        if len(self._lasting) >= _MOST_AT_A_TIME or (self._lasting and self._rng.random() < 0.5):
            self._lasting.pop(self._rng.randrange(len(self._lasting))).remove()
        found = kind()
        if found is not None:
            self._lasting.append(found)
        self._change()
        self._give_time(found)

    def _change(self) -> None:
        for thing in self._rng.sample(self._fleet.things, 2):
            self._fleet.edit(thing)
        self._fleet.report(self._rng.choice(self._fleet.things))
        for act in (
            self._fleet.edit_batch,
            lambda: self._fleet.replace(self._rng.choice(self._fleet.replaced)),
        ):
            if self._rng.random() < 0.2:
                act()

    def _give_time(self, found: Meddling | None) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not (found and found.applied):
            time.sleep(0.01)

    # --- the troubles

    def _times(self) -> int | None:
        return self._rng.choice([1, 2, 5, None])

    def _refuse(self) -> Meddling:
        code = self._rng.choice(list(_REFUSALS))
        path = self._rng.choice(_PATHS)
        return self._proxy.answer(path, code, status(code, _REFUSALS[code]), times=self._times())

    def _answer_html(self) -> Meddling:
        return self._proxy.answer(
            self._rng.choice(_PATHS), self._rng.choice([200, 403, 502, 503]), HTML, times=self._times()
        )

    def _find_nothing_once(self) -> Meddling:
        body = self._rng.choice([HTML, status(404, "NotFound")])
        return self._proxy.answer(self._rng.choice(_PATHS), 404, body, times=1)

    def _put_in_an_error(self) -> None:
        line = self._rng.choice([*(error_line(code) for code in (403, 410, 500, 504)), b"<html>", b"{}"])
        self._proxy.insert(self._rng.choice(_KINDS).removesuffix("$"), line)

    def _cut(self) -> None:
        self._proxy.cut(self._rng.choice(_PATHS))

    def _reset(self) -> Meddling:
        return self._proxy.reset(self._rng.choice(_PATHS), times=self._times())

    def _stall(self) -> Meddling:
        return self._proxy.stall(self._rng.choice(_PATHS))

    def _hold(self) -> Meddling:
        return self._proxy.hold(self._rng.choice(_PATHS), times=self._times())

    def _restart_api_server(self) -> None:
        self._plane.restart_apiserver()

    def _stop_etcd(self) -> None:
        with stopped(self._plane, "etcd"):
            self._fleet.report(self._rng.choice(self._fleet.things))
            self._give_time(None)


@contextmanager
def stopped(plane: ControlPlane, name: str) -> Iterator[None]:
    """A process of the control plane stands still."""
    (process,) = psutil.Process(plane.processes[name].pid).children()
    process.suspend()
    try:
        yield
    finally:
        process.resume()
