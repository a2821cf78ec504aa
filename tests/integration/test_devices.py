"""spec.device end to end: what the virtual thing itself does, proved by the cloud's observation log."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl

OFFLINE = {"tcxn": {"connection_status": 0}}
QUICK_TO_RECONNECT = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
}
ONLINE = {"tcxn": {"connection_status": 2}}


def observations(workspace: Workspace, thing: CloudThing, *, source: str = "update") -> list[dict[str, Any]]:
    """What MIC keeps of one thing, in the order of arrival."""
    text = (workspace.cloud.folder / "observations.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["thing"] == thing.name and line["source"] == source]


def presence(workspace: Workspace, thing: CloudThing) -> list[int]:
    """Every connection_status that was reported."""
    found = [line["reported"].get("tcxn", {}) for line in observations(workspace, thing)]
    return [tcxn["connection_status"] for tcxn in found if "connection_status" in tcxn]


def has_every_tick(workspace: Workspace, thing: CloudThing, *, beyond: int) -> bool:
    """Whether the history has each number of the counter since the first regular tick, past ``beyond``."""
    lines = observations(workspace, thing) + observations(workspace, thing, source="backdate")
    seen = sorted(line["reported"]["ticks"] for line in lines)[1:]
    return seen[-1] > beyond + 1 and sorted(set(seen)) == list(range(seen[0], seen[-1] + 1))


@contextmanager
def away(workspace: Workspace, thing: CloudThing) -> Iterator[CloudControl]:
    """The thing's connection is cut and no new one is let in."""
    control = CloudControl(workspace.cloud.folder)
    control.refuse_connections()
    control.kick(thing.name)
    try:
        yield control
    finally:
        control.refuse_connections(refuse=False)


def start(workspace: Workspace, thing: CloudThing, device: Any, **spec: Any) -> None:
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"device": device} | spec)
    workspace.wait_for(thing.name, "Ready")


def test_facts_answers_and_position(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    device = {
        "reported": {"model": "F-200", "tcxn": {"fw_ver": "1.0"}},
        "location": {"lat": 59.913, "lng": 10.739},
        "acknowledge": "All",
    }
    start(workspace, thing, device, desired={"setpoint": -18, "limits": {}})
    workspace.wait_for(thing.name, "InSync")
    assert workspace.reported(thing) == {
        "model": "F-200",
        "latlng": "59.913,10.739",
        "tcxn": {"fw_ver": "1.0"},
        "setpoint": -18,
        "limits": {},
    }
    workspace.cloud.update_shadow(thing, {"desired": {"door": {"lock": [1]}}})
    eventually(
        lambda: workspace.reported(thing).get("door") == {"lock": [1]}, "what others desire is answered"
    )
    workspace.patch(thing.name, {"device": {"reported": {"tcxn": None}, "location": None}})
    eventually(lambda: workspace.reported(thing).keys() == {"model", "setpoint", "limits", "door"}, "removed")
    workspace.wait_for(thing.name, "Ready")
    assert workspace.get(thing.name)["status"]["managedReportedPaths"] == ["/model"]
    workspace.patch(thing.name, {"device": {"reported": {"setpoint": 1}}})
    message = workspace.wait_for(thing.name, "Stalled", reason="InvalidDevice")["message"]
    assert "/setpoint" in message
    workspace.patch(thing.name, {"device": {"reported": {"setpoint": None}}})
    workspace.wait_for(thing.name, "Ready")
    workspace.patch(thing.name, {"deletionPolicy": "Clear"})
    workspace.wait_for(thing.name, "Ready")
    workspace.kubectl("delete", "thing", thing.name)
    assert workspace.reported(thing).keys() == {"setpoint", "limits", "door"}
    assert workspace.desired(thing) == {"door": {"lock": [1]}}


def test_presence_follows_the_session(workspace: Workspace, things: Things) -> None:
    workspace.operator.stop()
    workspace.operator.settings = QUICK_TO_RECONNECT
    workspace.operator.start()
    thing = things(1)[0]
    start(workspace, thing, {"connectionStatus": True})
    assert presence(workspace, thing) == [2]
    with away(workspace, thing):
        eventually(lambda: presence(workspace, thing) == [2, 0], "the last will says so")
    eventually(lambda: presence(workspace, thing) == [2, 0, 2], "back again")
    workspace.cloud.update_shadow(thing, {"reported": OFFLINE})
    eventually(lambda: presence(workspace, thing) == [2, 0, 2, 0, 2], "a stale 0 is repaired")
    # An orderly restart is no end of the thing.
    workspace.operator.stop()
    workspace.operator.start()
    workspace.patch(thing.name, {"desired": {"seen": "by the new one"}})
    workspace.wait_for(thing.name, "Ready")
    assert presence(workspace, thing) == [2, 0, 2, 0, 2]
    workspace.patch(thing.name, {"suspend": True})
    workspace.wait_for(thing.name, "Connected", "False", reason="Suspended")
    assert presence(workspace, thing) == [2, 0, 2, 0, 2, 0]
    assert workspace.get(thing.name)["status"]["shadow"]["reported"] == OFFLINE
    workspace.patch(thing.name, {"suspend": None})
    eventually(lambda: presence(workspace, thing)[-1] == 2, "online again")
    workspace.kubectl("delete", "thing", thing.name)
    eventually(lambda: presence(workspace, thing)[-1] == 0, "deleted")
    assert all(line["reported"] in (ONLINE, OFFLINE) for line in observations(workspace, thing))


def test_simulated_values_have_their_time_and_survive_an_absence(
    workspace: Workspace, things: Things
) -> None:
    workspace.operator.stop()
    workspace.operator.settings = QUICK_TO_RECONNECT
    workspace.operator.start()
    thing = things(1)[0]
    simulate = [
        {"path": "/ticks", "every": "1s", "counter": {}, "buffer": True},
        {"path": "/temperature", "every": "1s", "randomWalk": {"start": -18, "step": 0.5}},
        {"path": "/mode", "every": "1h", "constant": "auto"},
    ]
    start(workspace, thing, {"simulate": simulate})
    live = eventually(lambda: (f := observations(workspace, thing)) and len(f) >= 4 and f, "reports")
    assert live[0]["reported"].keys() == {"ticks", "temperature", "mode"}
    assert all(line["reported"].keys() == {"ticks", "temperature"} for line in live[1:])
    for before, after in pairwise(live[1:]):
        assert after["reported"]["ticks"] - before["reported"]["ticks"] == 1
        assert after["timestamp"] - before["timestamp"] == pytest.approx(1000, abs=1)
        assert isinstance(after["reported"]["temperature"], float)
    with away(workspace, thing):
        time_away = time.monotonic()
        eventually(lambda: time.monotonic() - time_away > 3, "ticks go by")
    late = eventually(
        lambda: (f := observations(workspace, thing, source="backdate")) and len(f) >= 2 and f,
        "what was missed",
        timeout=60,
    )
    numbers = [line["reported"]["ticks"] for line in late]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(line["reported"].keys() == {"ticks"} for line in late)
    assert all(line["timestamp"] < line["received"] for line in late)
    eventually(lambda: has_every_tick(workspace, thing, beyond=numbers[-1]), "every tick is in the history")
    status = eventually(
        lambda: (s := workspace.get(thing.name)["status"])["shadow"].get("reported", {}).get("mode") and s,
        "mirrored",
    )
    assert status["managedReportedPaths"] == ["/mode", "/temperature", "/ticks"]
    workspace.patch(thing.name, {"suspend": True})
    workspace.wait_for(thing.name, "Connected", "False", reason="Suspended")
    count = len(observations(workspace, thing))
    workspace.patch(thing.name, {"suspend": None, "device": None})
    eventually(lambda: workspace.reported(thing) == {}, "simulated values are cleaned up")
    assert len(observations(workspace, thing)) == count + 1
