"""The log of intents before the real API server: killed between any two steps, taken over, and done without.

Several Things are changed together, so that their new keys stand in the log; the meddling proxy holds the operator at
a moment, and there it is killed.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.apiserver.trouble import Another, readyz
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl

Json = dict[str, Any]

BEFORE = {"kept": 1, "short": {"lived": True}}
AFTER = {"kept": 2, "new": [1]}
FOREIGN = {"foreign": 1}
THINGS = 8
LOGS = "/configmaps"
STATUS = "/things/[^/]+/status$"


class LoggedFleet:
    """Things that are Ready with nothing desired, and are then changed together."""

    def __init__(self, workspace: Workspace, things: list[CloudThing]) -> None:
        self.workspace = workspace
        self.things = things
        self.control = CloudControl(workspace.cloud.folder)

    def apply(self, desired: Json) -> None:
        w = self.workspace
        bodies = [w.manifest("Thing", each.name, {"desired": desired}) for each in self.things]
        w.kubectl("apply", "-f-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))

    def await_ready(self) -> None:
        for thing in self.things:
            self.workspace.wait_for(thing.name, "Ready")

    def logs(self) -> list[Json]:
        found: list[Json] = json.loads(
            self.workspace.kubectl("get", "configmaps", "-l", "thing-operator.io/intents", "-ojson")
        )["items"]
        return found

    def logged(self) -> set[str]:
        """The uids in all logs."""
        texts = [json.loads(body["data"]["log"]) for body in self.logs()]
        return {uid for text in texts for things in text["things"].values() for uid in things}

    def desired(self) -> list[Json]:
        return [self.workspace.desired(thing) for thing in self.things]


@pytest.fixture
def fleet(meddled: Workspace, things: Things) -> LoggedFleet:
    meddled.operator.settings["THING_OPERATOR_STATUS__INTENT_LOG_NAMESPACE"] = meddled.namespace
    made = LoggedFleet(meddled, things(THINGS))
    for thing in made.things:
        meddled.store_credentials(thing)
    return made


def ready(fleet: LoggedFleet) -> LoggedFleet:
    fleet.workspace.operator.start()
    fleet.apply({})
    fleet.await_ready()
    eventually(lambda: not fleet.logs(), "the log is deleted at rest")
    return fleet


def not_written(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    before = proxy.count(LOGS, method="POST")
    proxy.stall(f"{LOGS}|{STATUS}")
    fleet.apply(BEFORE)
    proxy.await_request(LOGS, method="POST", after=before)


def written_and_not_known(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    held = proxy.hold(LOGS, method="POST")
    fleet.apply(BEFORE)
    held.await_applied()
    assert fleet.logged()


def sent_and_not_processed(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    fleet.control.pause()
    fleet.apply(BEFORE)
    eventually(lambda: len(fleet.logged()) > THINGS // 2, "recorded, and sent right after")


def accepted_and_not_written(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    proxy.stall(STATUS)
    fleet.apply(BEFORE)
    eventually(lambda: fleet.desired().count(BEFORE) > THINGS // 2, "accepted")
    assert fleet.logged()


def ready_and_not_emptied(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    proxy.answer(LOGS, 503, method="DELETE")
    fleet.apply(BEFORE)
    fleet.await_ready()
    assert fleet.logged()


MOMENTS: dict[str, Callable[[LoggedFleet, MeddlingProxy], None]] = {
    "the log is not written": not_written,
    "written, and nobody knows": written_and_not_known,
    "sent, not processed": sent_and_not_processed,
    "accepted, no status written": accepted_and_not_written,
    "Ready, the log not emptied": ready_and_not_emptied,
}


def kill_at(moment: str, fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    try:
        MOMENTS[moment](fleet, proxy)
        fleet.workspace.operator.stop(grace=0)
    finally:
        proxy.clear()
        fleet.control.clear_faults()
        fleet.control.resume()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", MOMENTS)
def test_specs_change_while_the_operator_is_away(
    fleet: LoggedFleet, proxy: MeddlingProxy, moment: str
) -> None:
    kill_at(moment, ready(fleet), proxy)
    for thing in fleet.things:
        fleet.workspace.cloud.update_shadow(thing, {"desired": FOREIGN})
    fleet.apply(AFTER)
    fleet.workspace.operator.start()
    fleet.await_ready()
    assert fleet.desired() == [AFTER | FOREIGN] * THINGS
    for thing in fleet.things:
        assert fleet.workspace.get(thing.name)["status"]["managedPaths"] == ["/kept", "/new"]
    eventually(lambda: not fleet.logs(), "nothing is left of the log of the one that was killed")


@pytest.mark.timeout(300)
def test_an_operator_that_waits_takes_the_log_over(
    fleet: LoggedFleet, proxy: MeddlingProxy, another: Another
) -> None:
    waiting = another(THING_OPERATOR_STATUS__INTENT_LOG_NAMESPACE=fleet.workspace.namespace)
    ready(fleet)
    waiting.operator.start()
    eventually(lambda: readyz(waiting)[0], "it has begun")
    eventually(lambda: waiting.operator.scrape().get(("leases", "waiting")) == 1, "it waits")
    kill_at("accepted, no status written", fleet, proxy)
    fleet.apply(AFTER)
    fleet.await_ready()
    assert fleet.desired() == [AFTER] * THINGS
    eventually(lambda: not fleet.logs(), "nothing is left of the log")


def test_many_things_are_written_once_each(fleet: LoggedFleet) -> None:
    fleet.workspace.operator.start()
    fleet.apply(BEFORE)
    fleet.await_ready()
    eventually(lambda: not fleet.logs(), "the log is deleted at rest")
    assert fleet.desired() == [BEFORE] * THINGS
    seen = fleet.workspace.operator.scrape()
    assert seen["status_writes_total", "written"] < 1.6 * THINGS
    assert seen["intent_log_writes_total", "written"] > 0
    assert seen["intent_log_used",] == 1
    assert seen["intents",] == 0
    assert readyz(fleet.workspace)[1]["intentLog"] == {"ok": True, "detail": "used"}
    assert fleet.workspace.operator.stop() == 0


def put_log(fleet: LoggedFleet, text: str) -> None:
    fleet.workspace.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "left-behind", "labels": {"thing-operator.io/intents": ""}},
            "data": {"log": text},
        }
    )


WITHOUT: dict[str, Callable[[LoggedFleet, MeddlingProxy], object]] = {
    "no right": lambda _fleet, proxy: proxy.answer(LOGS, 403),
    "full": lambda _fleet, proxy: proxy.answer(LOGS, 413, method="POST"),
    "invalid": lambda _fleet, proxy: proxy.answer(LOGS, 422, method="POST"),
    "garbage": lambda fleet, _proxy: put_log(fleet, "garbage"),
    "newer": lambda fleet, _proxy: put_log(fleet, '{"format": 2}'),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trouble", WITHOUT)
def test_without_a_log_each_status_is_written_twice(
    fleet: LoggedFleet, proxy: MeddlingProxy, trouble: str
) -> None:
    WITHOUT[trouble](fleet, proxy)
    fleet.workspace.operator.start()
    fleet.apply({})
    fleet.await_ready()
    fleet.apply(BEFORE)
    fleet.await_ready()
    assert fleet.desired() == [BEFORE] * THINGS
    operator = fleet.workspace.operator
    found = readyz(fleet.workspace)[1]["intentLog"]
    assert found["ok"]
    assert "not used" in found["detail"]
    assert operator.scrape()["intent_log_used",] == 0
    said = [line for line in operator.log.read_text().splitlines() if "log of intents is not used" in line]
    assert len(said) == 1


@pytest.mark.timeout(300)
def test_a_log_that_is_deleted_by_hand_is_made_again(fleet: LoggedFleet, proxy: MeddlingProxy) -> None:
    ready(fleet)
    proxy.stall(STATUS)
    fleet.apply(BEFORE)
    eventually(fleet.logged, "recorded")
    fleet.workspace.kubectl("delete", "configmaps", "-l", "thing-operator.io/intents")
    proxy.clear()
    fleet.await_ready()
    fleet.apply(AFTER)
    fleet.await_ready()
    assert fleet.desired() == [AFTER] * THINGS
    eventually(lambda: not fleet.logs(), "the log is deleted at rest")
