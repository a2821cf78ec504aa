"""What is lost comes back elsewhere: replicas that are killed, stopped or cut off, and Leases that are meddled with."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from tests.integration.replicas.checks import await_desired, check_they_run
from tests.support.cloud import Things
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.polling import eventually
from tests.support.replicas import MAP, PRESENCE, Group, ReplicaProcess, now

from thing_operator_local.controlplane import ControlPlane

COUNT = 30
AWAY = 25
"""Seconds: several Leases' durations."""
LONG = "60s"
"""No test waits so long: what happens before has another cause than a Lease's end."""


def test_a_killed_one_is_followed_when_its_lease_has_ended(group: Group, things: Things) -> None:
    killed, *others = group.start_fleet(things(COUNT), 3)
    share, began = killed.connects(), now()
    killed.stop(grace=0)
    group.await_shared(others)
    story = group.await_up(began, connects=share)
    assert story.connects.total() == share, "nobody else's sessions have moved"
    assert set(story.ends) == {"lost"}
    check_they_run(group, 2)


def test_a_container_that_is_restarted_in_place_has_its_things_again(group: Group, things: Things) -> None:
    killed, other = group.start_fleet(
        things(COUNT), 2, SHARDING__LEASE_DURATION=LONG, SHARDING__RENEW_INTERVAL="2s"
    )
    share, its, began = killed.connects(), other.connects(), now()
    before = group.versions()
    killed.stop(grace=0)
    killed.start()
    story = group.await_up(began, connects=share)
    eventually(lambda: (killed.connects(), other.connects()) == (share, its), "it has made its own again")
    assert story.connects.total() == share
    group.await_shared([killed, other])
    assert group.versions() == before or story.wills, "a will is repaired, and nothing else is written"


def test_a_pod_that_is_deleted_is_followed_at_once(group: Group, things: Things) -> None:
    killed, other = group.start_fleet(
        things(COUNT), 2, SHARDING__LEASE_DURATION=LONG, SHARDING__RENEW_INTERVAL="2s"
    )
    share, began = killed.connects(), now()
    killed.stop(grace=0)
    group.kubectl("delete", "lease", killed.name)  # as the garbage collector does after the pod
    group.await_shared([other])
    assert group.await_up(began, connects=share).connects.total() == share


def test_a_stopped_one_wakes_up_and_connects_nothing(group: Group, things: Things) -> None:
    stopped, other = group.start_fleet(things(COUNT), 2)
    others, began = other.connects(), now()
    connects = stopped.connects()
    stopped.signal(signal.SIGSTOP)
    group.await_shared([other])
    story = group.await_up(began, connects=connects)
    eventually(lambda: other.connects() == others + connects, "it has made them and no others")
    before = group.versions()
    stopped.signal(signal.SIGCONT)
    eventually(lambda: stopped.times_fenced() == 1, "it knows that it was fenced")
    group.await_shared([stopped, other])
    story = group.await_up(began)
    # It has a half again by asking for it, and nothing was taken back from who had it meanwhile.
    assert story.ends["takenOver"] == connects
    again = story.connects.total() - connects
    eventually(lambda: stopped.connects() == connects + again, "it has made no others")
    assert group.versions().keys() == before.keys()
    check_they_run(group, 2)


def test_one_that_is_cut_off_from_the_api_server_goes_on_until_it_is_followed(
    proxy: MeddlingProxy, group: Group, things: Things
) -> None:
    """The proxy comes first, so that it ends last: operators that are still connecting would leave sockets in it."""
    cut_off = group.replicas[0]
    cut_off.settings["KUBECONFIG"] = str(proxy.kubeconfig)
    _, other = group.start_fleet(things(COUNT), 2)
    connects, began = cut_off.connects(), now()
    stall = proxy.stall()
    group.await_shared([other])
    story = group.await_up(began, connects=connects)
    assert set(story.ends) == {"takenOver"}, "it has ended none"
    assert cut_off.connects() == connects, "it has taken none back"
    edited = group.things[0]
    group.patch(edited.name, {"desired": {"v": 2}})
    eventually(lambda: group.desired(edited) == {"v": 2}, "the other one sends")
    stall.remove()
    group.await_shared([cut_off, other])
    check_they_run(group, 3)


@contextmanager
def api_server_away(plane: ControlPlane) -> Iterator[None]:
    """It answers nobody, and connections to it stay."""
    pid = plane.processes["kube-apiserver"].pid
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid, signal.SIGCONT)


def test_without_an_api_server_nothing_ends(
    group: Group, things: Things, control_plane: ControlPlane
) -> None:
    replicas = group.start_fleet(things(COUNT), 2)
    began = now()
    with api_server_away(control_plane):
        for each in replicas:
            await_age(each, AWAY)
    group.await_shared(replicas)
    check_they_run(group, 2)
    check_nothing_ended(group, began)


def check_nothing_ended(group: Group, began: datetime) -> None:
    story = group.story(began)
    assert not story.connects
    assert not story.ends
    assert not any(
        name[0] == "fencings_total" and value
        for each in group.replicas
        for name, value in each.scrape().items()
    )


@pytest.mark.slow
def test_while_the_api_server_refuses_everybody_nothing_ends_and_afterwards_no_change_is_lost(
    proxy: MeddlingProxy, group: Group, things: Things
) -> None:
    for each in (group.replicas[0], group.make()):
        each.settings["KUBECONFIG"] = str(proxy.kubeconfig)
    replicas = group.start_fleet(things(COUNT), 2)
    began = now()
    refusal = proxy.reset("")
    proxy.cut()
    group.apply_all([group.thing(each, desired={"v": 2}, **PRESENCE) for each in group.things])
    for each in replicas:
        await_age(each, AWAY)
    refusal.remove()
    group.await_shared(replicas)
    for thing in group.things:
        await_desired(group, thing, 2)
    check_nothing_ended(group, began)
    check_they_run(group, 3)


def await_age(replica: ReplicaProcess, seconds: float) -> None:
    """Wait until its last renewal is so old."""
    eventually(lambda: replica.scrape()["lease_renewed_seconds",] > seconds, f"a renewal {seconds} s ago")


def test_a_clock_that_is_two_hours_off_changes_nothing(group: Group, things: Things) -> None:
    group.replicas[0].prelude = """
import datetime
from thing_operator.core import clock
now = clock.SystemClock.now
clock.SystemClock.now = clock.BootClock.now = lambda self: now(self) + datetime.timedelta(hours=2)
"""
    replicas = group.start_fleet(things(COUNT), 2)
    began = now()
    renewed = {each.name: group.leases()[each.name]["spec"]["renewTime"] for each in replicas}
    assert len({text[:13] for text in renewed.values()}) == 2, "they write different hours"
    for each in replicas:
        eventually(lambda: renewals(group, each.name, renewed[each.name]) > 0, "it renews")  # noqa: B023
    assert not group.story(began).ends


def renewals(group: Group, name: str, since: str) -> int:
    return int(group.leases()[name]["spec"]["renewTime"] != since)


@pytest.mark.parametrize("how", ["deleted", "garbage"])
def test_a_map_that_is_meddled_with_ends_no_session(group: Group, things: Things, how: str) -> None:
    replicas = group.start_fleet(things(COUNT), 2)
    began = now()
    meddle(group, how)
    group.await_shared(replicas, even=False)
    check_they_run(group, 2)
    story = group.story(began)
    assert not story.ends["takenOver"]
    assert story.connects.total() <= COUNT


def meddle(group: Group, how: str) -> None:
    if how == "deleted":
        group.kubectl("delete", "lease", MAP)
    else:
        group.write_map("no JSON")


def test_to_a_map_of_a_later_version_all_is_left_until_there_is_another_one(
    group: Group, things: Things
) -> None:
    replicas = group.start_fleet(things(COUNT), 2)
    began = now()
    group.write_map('{"v": 2}')
    eventually(lambda: not group.story().up, "nobody runs anything")
    story = group.story(began)
    assert (set(story.ends), story.connects.total()) == ({"disconnect"}, 0)
    group.kubectl("delete", "lease", MAP)
    group.await_shared(replicas, even=False)
    group.await_up(began, connects=COUNT)
    check_they_run(group, 2)


def test_who_is_edited_out_of_its_lease_begins_again_and_the_others_notice_nothing(
    group: Group, things: Things
) -> None:
    edited, other = group.start_fleet(things(COUNT), 2)
    share, began = edited.connects(), now()
    group.kubectl("patch", "lease", edited.name, "--type=merge", '--patch={"spec":{"holderIdentity":"x"}}')
    eventually(lambda: edited.times_fenced() == 1, "it knows that it has no Lease")
    group.await_shared([edited, other])
    story = group.await_up(began, connects=share)
    assert not story.ends["takenOver"]
    check_they_run(group, 2)
