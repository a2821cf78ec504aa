"""Two operators over the same Things: one runs them, the other one says so and waits."""

import json
import re

import pytest
from tests.integration.apiserver.trouble import (
    SETTINGS,
    Another,
    await_line,
    await_ready,
    await_reported,
    readyz,
    start_things,
)
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace, total
from tests.support.polling import eventually
from tests.support.session_story import SessionStory

from thing_operator_local.cloud.client import CloudThing

LEASE = "thing-operator.io"


def lease_of(workspace: Workspace, namespace: str | None = None) -> dict[str, str]:
    """The spec of a Lease of ours, by default that of the workspace's namespace."""
    where = namespace or workspace.namespace
    found = json.loads(workspace.kubectl("get", "leases", "--all-namespaces", "--output=json"))["items"]
    specs = [
        each["spec"]
        for each in found
        if (each["metadata"]["namespace"], each["metadata"]["name"]) == (where, LEASE)
    ]
    return dict(specs[0]) if specs else {}


def words_about_leases(workspace: Workspace) -> str:
    return str(readyz(workspace)[1].get("leases", {}).get("detail", ""))


def await_waiting(waiting: Workspace, lease: dict[str, str]) -> None:
    """Wait until it says in every way who holds the Lease, and since when."""
    said = f"run by {lease['holderIdentity']} since {lease['acquireTime']}"
    eventually(lambda: said in words_about_leases(waiting), said)
    eventually(lambda: waiting.operator.scrape()["leases", "waiting"] == 1, "the metric says it")
    eventually(lambda: readyz(waiting)[1]["firstLists"]["ok"], "it knows the Things")


def sessions(workspace: Workspace) -> float:
    """How many it has now."""
    return total(workspace.operator.scrape(), "sessions")


def check_it_runs(workspace: Workspace, thing: CloudThing, value: int) -> None:
    """What is desired is sent, and what the thing reports is in its status."""
    workspace.patch(thing.name, {"desired": {"v": value}})
    eventually(lambda: workspace.desired(thing) == {"v": value}, "it is sent")
    workspace.cloud.update_shadow(thing, {"reported": {"v": value}})
    await_reported(workspace, thing, {"v": value})


def test_the_second_waits_and_goes_on_at_once_when_the_first_stops(
    workspace: Workspace, another: Another, things: Things
) -> None:
    made = things(2)
    start_things(workspace, *made)
    lease = lease_of(workspace)
    second = another()
    second.operator.start()
    await_waiting(second, lease)
    await_line(second, "starts no session there and waits until that Lease ends")
    before = workspace.versions()
    assert (readyz(second)[0], second.operator.connects()) == (200, 0)
    assert workspace.operator.connects() == len(made)
    assert workspace.versions() == before
    assert workspace.operator.stop() == 0
    await_line(second, "run by this operator from now on")
    eventually(lambda: second.operator.connects() == len(made), "it runs the Things")
    assert lease_of(workspace)["holderIdentity"] != lease["holderIdentity"]
    check_it_runs(second, made[0], 2)
    # The one thing that was edited and has reported; the other one is as it was.
    assert {name for name, version in workspace.versions().items() if version != before[name]} == {
        made[0].name
    }
    assert second.operator.stop() == 0
    assert lease_of(workspace) == {}


def test_a_killed_one_of_another_machine_is_followed_when_its_lease_has_expired(
    idle_workspace: Workspace, another: Another, things: Things
) -> None:
    (thing,) = things(1)
    first, second = idle_workspace, another()
    first.operator.settings |= {
        "THING_OPERATOR_LEASE__IDENTITY": "elsewhere",
        "THING_OPERATOR_LEASE__DURATION": "3s",
    }
    first.operator.start()
    start_things(first, thing)
    second.operator.start()
    await_waiting(second, lease_of(first))
    assert "elsewhere_" in words_about_leases(second)
    first.operator.stop(grace=0)
    eventually(lambda: second.operator.connects() == 1, "it runs the Thing")
    check_it_runs(second, thing, 2)


def test_a_killed_one_is_followed_at_once_on_the_same_machine(workspace: Workspace, things: Things) -> None:
    (thing,) = things(1)
    start_things(workspace, thing)
    workspace.operator.stop(grace=0)
    assert lease_of(workspace)["holderIdentity"]
    workspace.operator.start()
    check_it_runs(workspace, thing, 2)
    assert "waits until" not in workspace.operator.log.read_text()


def test_take_over_is_done_once_and_the_former_waits(
    idle_workspace: Workspace, another: Another, things: Things
) -> None:
    made = things(3)
    first, second = idle_workspace, another("--take-over")
    first.operator.settings |= SETTINGS
    first.operator.start()
    start_things(first, *made, desired={"v": 1})
    second.operator.start()
    await_line(first, "The sessions of this operator end there, and it waits until that Lease ends")
    eventually(lambda: second.operator.connects() == len(made), "the second runs the Things")
    assert sessions(first) == 0
    await_waiting(first, lease_of(first))
    for value in (2, 3):
        for thing in made:
            check_it_runs(second, thing, value)
    assert (first.operator.connects(), second.operator.connects()) == (len(made), len(made)), (
        "nobody took anything back"
    )
    second.operator.stop()
    eventually(lambda: first.operator.connects() == 2 * len(made), "the first runs them again")
    check_it_runs(first, made[0], 4)


def test_one_of_all_namespaces_and_one_of_a_list_see_each_other(another: Another, things: Things) -> None:
    everywhere, some = another(everywhere=True), another()
    (thing,) = things(1)
    everywhere.operator.start()
    start_things(everywhere, thing)
    home = lease_of(everywhere, "kube-system")
    assert lease_of(everywhere) == {}, "nobody asks for this namespace alone"
    some.operator.start()
    eventually(lambda: home["holderIdentity"] in words_about_leases(some), "it is answered")
    assert some.operator.connects() == 0
    assert SessionStory.of(some.cloud.session_events(), clients=[thing.name]).connects.total() == 1
    assert everywhere.operator.stop() == 0
    eventually(lambda: some.operator.connects() == 1, "it goes on")
    check_it_runs(some, thing, 2)
    # And the other way round.
    everywhere.operator.start()
    await_waiting(everywhere, lease_of(some))
    assert some.operator.stop() == 0
    check_it_runs(everywhere, thing, 3)
    assert everywhere.operator.stop() == 0
    assert (lease_of(some), lease_of(some, "kube-system")) == ({}, {})


@pytest.mark.parametrize("code", [403, 404])
def test_without_leases_it_runs_and_says_so(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, code: int
) -> None:
    proxy.answer("/leases", code)
    meddled.operator.start()
    start_things(meddled, *things(1))
    assert "runs without a Lease" in words_about_leases(meddled)
    await_line(meddled, "a second operator would not be noticed")
    assert meddled.operator.scrape()["leases", "denied"] == 1


def test_a_cut_off_one_repairs_nothing_by_specs_that_may_be_outdated(
    meddled: Workspace, another: Another, proxy: MeddlingProxy, things: Things
) -> None:
    (thing,) = things(1)
    first, second = meddled, another()
    first.operator.settings |= {
        "THING_OPERATOR_SPEC_MAX_AGE": "4s",
        "THING_OPERATOR_LEASE__DURATION": "3s",
    }
    first.operator.start()
    start_things(first, thing, desired={"v": 1})
    stall = proxy.stall()
    eventually(
        lambda: "no drift is repaired" in readyz(first)[1]["apiServer"]["detail"],
        "it knows that it is cut off",
    )
    assert sessions(first) == 1
    second.patch(thing.name, {"desired": {"v": 2}})
    second.operator.start()
    eventually(lambda: second.desired(thing) == {"v": 2}, "the second has taken the Lease, and sends")
    # Each takes the thing's session from the other one; what the first finds is drift to it.
    before = first.operator.connects()
    eventually(lambda: first.operator.connects() > before, "the first connects again")
    check_it_runs(second, thing, 3)
    connected = first.operator.connects()
    eventually(lambda: first.operator.connects() > connected, "and again")
    assert second.desired(thing) == {"v": 3}
    stall.remove()
    eventually(lambda: sessions(first) == 0, "it sees who has followed")
    assert lease_of(second)["holderIdentity"] in words_about_leases(first)
    second.wait_for(thing.name, "Connected")
    check_it_runs(second, thing, 4)
    reasons = {event["reason"] for event in second.list("events")}
    assert "DriftRepaired" not in reasons


def test_drift_waits_while_things_are_out_of_sight(
    meddled: Workspace, proxy: MeddlingProxy, things: Things
) -> None:
    (thing,) = things(1)
    meddled.operator.settings["THING_OPERATOR_SPEC_MAX_AGE"] = "3s"
    meddled.operator.start()
    start_things(meddled, thing, desired={"v": 1})
    refusal = proxy.answer("/things$", 403)
    proxy.cut("/things$")

    def broken_for() -> int:
        detail = readyz(meddled)[1][f"thingWatch in {meddled.namespace}"]["detail"]
        found = re.match(r"broken for (\d+) s", detail)
        return int(found[1]) if found else 0

    eventually(lambda: broken_for() > 3, "the watch is broken for longer than specs may be old")
    reconciles = ("reconcile_seconds_count", "things", "ok")
    before = meddled.operator.scrape()[reconciles]
    meddled.cloud.update_shadow(thing, {"desired": {"v": 9}})
    eventually(lambda: meddled.operator.scrape()[reconciles] > before, "it has seen the drift")
    assert meddled.desired(thing) == {"v": 9}
    refusal.remove()
    eventually(lambda: meddled.desired(thing) == {"v": 1}, "repaired")
    meddled.wait_for(thing.name, "Ready")


def test_drift_waits_until_the_api_server_is_back(
    meddled: Workspace, proxy: MeddlingProxy, things: Things
) -> None:
    edited, drifted = made = things(2)
    meddled.operator.settings["THING_OPERATOR_SPEC_MAX_AGE"] = "3s"
    meddled.operator.start()
    start_things(meddled, *made, desired={"v": 1})
    stall = proxy.stall()
    eventually(lambda: not readyz(meddled)[1]["apiServer"]["ok"], "it knows that it is cut off")
    meddled.patch(edited.name, {"desired": {"v": 2}})
    reconciles = ("reconcile_seconds_count", "things", "ok")
    before = meddled.operator.scrape()[reconciles]
    meddled.cloud.update_shadow(drifted, {"desired": {"v": 9}})
    eventually(lambda: meddled.operator.scrape()[reconciles] > before, "it has seen the drift")
    assert meddled.desired(drifted) == {"v": 9}
    assert sessions(meddled) == len(made)
    stall.remove()
    eventually(lambda: meddled.desired(drifted) == {"v": 1}, "repaired")
    eventually(lambda: meddled.desired(edited) == {"v": 2}, "caught up")
    await_ready(meddled)
    assert meddled.operator.connects() == len(made)
