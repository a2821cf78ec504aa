"""Answers that are wrong once, or older than what is known: nothing is lost by them, and no session."""

import json

import pytest
from tests.integration.apiserver.trouble import (
    await_ready,
    await_reported,
    connections,
    readyz,
    start_things,
)
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.meddling_rules import HTML, status
from tests.support.operator import Workspace
from tests.support.polling import eventually

COMPARISON = "limit="
"""In the query of a list."""


@pytest.mark.parametrize("body", [status(404, "NotFound"), HTML], ids=["Status", "HTML"])
def test_a_wrong_404_to_a_status_write_ends_no_session(
    meddled: Workspace, proxy: MeddlingProxy, things: Things, body: bytes
) -> None:
    (thing,) = things(1)
    meddled.operator.start()
    start_things(meddled, thing, device={"connectionStatus": True})
    before = connections(meddled)
    wrong = proxy.answer(f"/things/{thing.name}/status$", 404, body, method="PATCH", times=1)
    meddled.cloud.update_shadow(thing, {"reported": {"n": 1}})
    wrong.await_applied()
    await_reported(meddled, thing, {"n": 1})
    assert connections(meddled) == before
    assert meddled.reported(thing)["tcxn"]["connection_status"] == 2


def test_a_secret_that_is_once_not_found_is_asked_for_again(
    meddled: Workspace, proxy: MeddlingProxy, things: Things
) -> None:
    running, fresh = things(2)
    meddled.operator.start()
    start_things(meddled, running)
    before = connections(meddled)
    wrong = [
        proxy.answer(f"/secrets/thing-{each.name}$", 404, method="GET", times=1) for each in (running, fresh)
    ]
    meddled.kubectl("annotate", "secret", f"thing-{running.name}", "touched=1")
    start_things(meddled, fresh)
    for each in wrong:
        each.await_applied()
    meddled.patch(running.name, {"desired": {"a": 1}})
    meddled.wait_for(running.name, "Ready")
    assert meddled.condition(running.name, "CredentialsValid")["status"] == "True"
    assert before < connections(meddled)


def test_a_list_that_is_once_not_found_does_not_mean_that_there_are_no_crds(
    meddled: Workspace, proxy: MeddlingProxy
) -> None:
    meddled.operator.settings["THING_OPERATOR_RESYNC_INTERVAL"] = "2s"
    meddled.operator.start()
    await_ready(meddled)
    wrong = proxy.answer("/things$", 404, method="GET", query=COMPARISON, times=1)
    wrong.await_applied()
    after = proxy.count("/things$", query=COMPARISON)
    seen = []

    def next_comparison() -> bool:
        seen.append(readyz(meddled)[1])
        return proxy.count("/things$", query=COMPARISON) > after

    eventually(next_comparison, "another comparison", pause=0.02)
    assert [checks["crds"] for checks in seen if not checks["crds"]["ok"]] == []


def test_a_list_that_is_older_than_the_watch_changes_nothing(
    meddled: Workspace, proxy: MeddlingProxy, things: Things
) -> None:
    edited, deleted, recreated = made = things(3)
    meddled.operator.settings["THING_OPERATOR_RESYNC_INTERVAL"] = "2s"
    meddled.operator.start()
    start_things(meddled, *made, desired={"v": 1}, deletionPolicy="Delete")
    old = proxy.hold("/things$", method="GET", query=COMPARISON, times=1)
    old.await_applied()
    meddled.patch(edited.name, {"desired": {"v": 2}})
    meddled.wait_for(edited.name, "Ready")
    meddled.kubectl("delete", "thing", deleted.name, recreated.name, "--timeout=60s")
    assert meddled.cloud.get_shadow(deleted) is None
    meddled.apply_thing(recreated, {"desired": {"v": 3}})
    meddled.wait_for(recreated.name, "Ready")
    # The session of a deleted Thing is kept for a moment.
    eventually(lambda: len(connections(meddled)) == 2, "the session of the deleted Thing ends")
    before = connections(meddled)

    def documents() -> list[object]:
        found = [meddled.cloud.get_shadow(each) for each in made]
        return [each and (each["version"], each["state"]) for each in found]

    shadows, since = documents(), meddled.now()
    after = proxy.count("/things$", query=COMPARISON)
    old.remove()
    # Whatever the list has caused is done when the next one is taken.
    proxy.await_request("/things$", query=COMPARISON, after=after)
    assert documents() == shadows
    assert connections(meddled) == before
    assert meddled.events_since(since) == ()
    assert "DriftRepaired" not in json.dumps(meddled.list("events"))
