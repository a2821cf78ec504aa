"""What a member makes of what it sees of the others: their Leases, the map, and their silence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.members import GROUP, TIMING

from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.member import Fellows, MemberLease
from thing_operator.sharding.own_lease import OwnLease, Renewal
from thing_operator.sharding.protocol import MapSighting, Member
from thing_operator.sharding.shard_map import ShardMap

START = datetime(2026, 11, 28, tzinfo=UTC)


def test_what_a_lease_says_of_a_member() -> None:
    body = GROUP.held_body("a", holder="a_pod_1", now=START, former=None, takes=False)
    lease = MemberLease.of(body)
    assert (lease.holder, lease.takes, lease.duration) == ("a_pod_1", False, GROUP.duration)
    assert "ownerReferences" not in body["metadata"]
    pod = replace(GROUP, pod_uid="1234")
    (owner,) = pod.held_body("a", holder="a_pod_1", now=START, former=None, takes=True)["metadata"][
        "ownerReferences"
    ]
    assert owner == {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1234"}
    assert GROUP.text == "iot/fleet"


def test_where_a_members_bridge_is_stands_on_its_lease() -> None:
    group = replace(GROUP, bridge="http://10.0.0.7:8081")
    body = group.held_body("a", holder="a_pod_1", now=START, former=None, takes=True)
    assert MemberLease.of(body).bridge == "http://10.0.0.7:8081"
    plain = GROUP.held_body("a", holder="a_pod_1", now=START, former=None, takes=True)
    assert MemberLease.of(plain).bridge is None


def lone_member() -> tuple[Member, MemberLease]:
    """A member that joined at second 100, and its Lease."""
    fellows = Fellows(duration=TIMING.duration)
    own = OwnLease("a", "a_pod_1", fellows=fellows, timing=TIMING, has_ended=lambda _holder: False)
    member = Member(own, fellows, TIMING)
    body = GROUP.held_body("a", holder="a_pod_1", now=START, former=None, takes=True)
    body["metadata"] |= {"resourceVersion": "7", "uid": "first"}
    own.sending(Renewal(100, 100), renewed=body["spec"]["renewTime"])
    lease = MemberLease.of(body)
    member.see("a", lease, now=100, in_order=True)
    return member, lease


def test_an_absence_from_before_what_is_known_says_nothing() -> None:
    member, _ = lone_member()
    member.see("a", None, now=101, in_order=True, as_of=6)
    assert member.own.is_fresh(101)
    member.see("a", None, now=101, in_order=True, as_of=8)
    assert not member.own.is_fresh(101)
    assert member.own.times_fenced == 0, "nobody can have fenced it"


@pytest.mark.parametrize(("second", "times_fenced"), [(107, 0), (109, 1)])
def test_a_lease_that_was_deleted_and_made_again_is_another_after_a_while(
    second: float, times_fenced: int
) -> None:
    member, lease = lone_member()
    member.see("a", replace(lease, uid="second", version="9"), now=second, in_order=False)
    assert member.own.times_fenced == times_fenced


def test_what_has_no_sessions_while_draining_stays_for_whoever_asks_next() -> None:
    member, lease = lone_member()
    me = lease.holder
    rival = replace(lease, holder="b_pod_1", uid="b", version="8")
    member.see("b", rival, now=100, in_order=True)
    shard_map = ShardMap().given(ALL_SHARDS, me).asking((3,), "b_pod_1")
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    assert member.to_give(100) == {3}
    member.given(frozenset({3}))
    member.is_draining = True
    member.see("b", replace(rival, holder="", version="10"), now=101, in_order=True)
    new = member.next_map(101)
    assert new is not None
    assert (new.slots[3].holder, new.slots[3].asker) == (me, "")
    assert member.giving == {3}


def test_what_is_given_may_be_written_of_until_everything_of_it_has_ended() -> None:
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8")
    member.see("b", rival, now=100, in_order=True)
    shard_map = ShardMap().given(ALL_SHARDS, lease.holder).asking((3, 4), "b_pod_1")
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    assert member.to_give(100) == {3, 4}
    assert not member.may_act(3, 100)
    assert member.may_act(3, 100, ends=True)
    member.given(frozenset({3}))
    assert not member.may_act(3, 100, ends=True), "the map may be written at any moment"
    assert member.may_act(4, 100, ends=True)


def test_what_could_not_be_prepared_is_to_be_prepared_again() -> None:
    member, lease = lone_member()
    member.see_map(MapSighting(9, ShardMap().given(ALL_SHARDS, lease.holder).text, exists=True), now=100)
    member.next_map(100)
    shards = member.to_prepare()
    assert shards == ALL_SHARDS
    member.prepared(shards - {3}, done=True)
    member.prepared(frozenset({3}), done=False)
    assert member.to_prepare() == {3}


def test_who_has_not_renewed_lately_expects_nothing_of_others_that_are_silent() -> None:
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8")
    member.see("b", rival, now=100, in_order=True)
    half = frozenset(range(128))
    shard_map = ShardMap().given(ALL_SHARDS, lease.holder).given(half, rival.holder)
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    member.begin()

    def prepares(now: float) -> int:
        member.next_map(now)
        shards = member.to_prepare()
        member.prepared(shards, done=True)
        return len(shards)

    def renew(*, sent_at: float, shown_at: float) -> None:
        renewed = f"at {sent_at}"
        member.own.sending(Renewal(sent_at, sent_at), renewed=renewed)
        shown = replace(lease, version=f"{shown_at:.0f}", renewed=renewed)
        member.see("a", shown, now=shown_at, in_order=True)

    renew(sent_at=102, shown_at=105)
    assert prepares(106) == 0, "the API server may be slow for everybody"
    renew(sent_at=105, shown_at=106)
    assert prepares(106) == len(half)
    assert prepares(108) == 0
    assert member.take_lost() == frozenset(), "what is expected stays so"
    member.see("b", replace(rival, version="11"), now=108, in_order=True)
    assert prepares(108) == 0
    assert member.take_lost() == half, "it was in vain"


@pytest.mark.parametrize(
    ("room", "size", "asked", "expected"),
    [
        (25, 0, (), 16),
        (25, 1, (), 16),
        (25, 10, (), 3),
        (25, 39, (), 1),
        (1, 390, (), 1),
        (0, 0, (), 0),
        (-14, 39, (), 0),
        (25, 39, (0,), 0),
        (25, 10, (0, 1), 1),
        (25, 0, tuple(range(15)), 1),
    ],
)
def test_so_much_is_asked_for_that_nothing_waits_long(
    room: int, size: int, asked: tuple[int, ...], expected: int
) -> None:
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8", takes=False)
    member.see("b", rival, now=100, in_order=True)
    shard_map = ShardMap().given(ALL_SHARDS, rival.holder).asking(asked, lease.holder)
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    member.next_map(100)
    member.prepared(member.to_prepare(), done=True)
    new = member.next_map(100, room=room, size=lambda _shard: size)
    found = (new or shard_map).asked_by(lease.holder)
    assert found >= set(asked)
    assert len(found) == len(asked) + expected


def test_what_has_just_come_takes_its_room_before_anybody_waits_for_it() -> None:
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8", takes=False)
    member.see("b", rival, now=100, in_order=True)
    rivals = ShardMap().given(ALL_SHARDS, rival.holder)
    member.see_map(MapSighting(9, rivals.text, exists=True), now=100)
    member.next_map(100)
    member.prepared(member.to_prepare(), done=True)
    member.see_map(MapSighting(10, rivals.given((0, 1), lease.holder).text, exists=True), now=100)
    assert member.next_map(100, room=20, size=lambda _shard: 10) is None
    assert member.take_gained() == {0, 1}
    new = member.next_map(100, room=20, size=lambda _shard: 10)
    assert new is not None
    assert new.asked_by(lease.holder) == {2, 3}


def test_the_bridge_of_a_shard_is_its_holders_while_that_has_its_lease() -> None:
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8", bridge="http://10.0.0.8:8081")
    assert member.bridge_of(3) is None, "there is no map"
    shard_map = ShardMap().given(ALL_SHARDS, lease.holder).given((3,), rival.holder)
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    assert member.bridge_of(3) is None, "its holder's Lease was not seen"
    member.see("b", rival, now=100, in_order=True)
    assert member.bridge_of(3) == "http://10.0.0.8:8081"
    assert member.bridge_of(4) is None, "its holder is this member"
    member.see("b", replace(rival, holder="b_pod_2", version="10"), now=101, in_order=True)
    assert member.bridge_of(3) is None, "its holder has ended, and another has its Lease"


def test_who_has_lost_its_lease_and_the_map_is_given_the_time_to_say_what_it_holds() -> None:
    """Somebody has deleted both: it acts until it is shown so, or for as long as nobody can have fenced it."""
    member, lease = lone_member()
    rival = replace(lease, holder="b_pod_1", uid="b", version="8")
    member.see("b", rival, now=100, in_order=True)
    shard_map = ShardMap().given(ALL_SHARDS, rival.holder)
    member.see_map(MapSighting(9, shard_map.text, exists=True), now=100)
    member.see("b", None, now=101, in_order=True, as_of=10)
    member.see_map(MapSighting(11, None, exists=False), now=103)
    new = member.next_map(103)
    assert new is not None
    assert new.is_lost
    member.see_map(MapSighting(12, new.text, exists=True), now=103)
    for second in range(104, 113, 2):
        renewed(member, lease, second)
        assert member.next_map(second) is None
    renewed(member, lease, 114)
    claimed = member.next_map(114)
    assert claimed is not None
    assert claimed.held_by(lease.holder) == ALL_SHARDS


def test_who_has_ended_long_ago_is_not_waited_for_when_the_map_is_lost() -> None:
    member, lease = lone_member()
    member.see("b", replace(lease, holder="b_pod_1", uid="b", version="8"), now=100, in_order=True)
    member.see("b", None, now=101, in_order=True, as_of=10)
    member.see_map(MapSighting(11, None, exists=False), now=113)
    renewed(member, lease, 113)
    new = member.next_map(113)
    assert new is None or not new.is_lost


def renewed(member: Member, lease: MemberLease, second: int) -> None:
    """Its renewal of this second was sent and shown."""
    body = GROUP.held_body(
        "a", holder=lease.holder, now=START + timedelta(seconds=second), former=lease, takes=True
    )
    body["metadata"] |= {"resourceVersion": str(second), "uid": "first"}
    member.own.sending(Renewal(second, second), renewed=body["spec"]["renewTime"])
    member.see("a", MemberLease.of(body), now=second, in_order=True)
