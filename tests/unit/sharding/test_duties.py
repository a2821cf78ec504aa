"""What a process is to do for an object, of all that its two sources can say."""

import pytest
from tests.support.duties import SomeShards

from thing_operator.core.resource import ObjectKey
from thing_operator.sharding.duties import Duties, Duty
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, shard_of

KEY = ObjectKey("ours", "t")
UID = "6a1c1f0e-0000-4000-8000-000000000000"
NOTHING: frozenset[int] = frozenset()


class Ours:
    """The Leases of an operator that runs one namespace; ``is_certain``: whether they are renewed."""

    is_certain = True

    def runs(self, namespace: str) -> bool:
        return namespace == KEY.namespace

    def may_write(self, namespace: str) -> bool:
        return self.is_certain and self.runs(namespace)


@pytest.mark.parametrize(
    ("namespace", "held", "preparing", "duty"),
    [
        ("ours", ALL_SHARDS, NOTHING, Duty.RUN),
        ("ours", ALL_SHARDS, ALL_SHARDS, Duty.PREPARE),
        ("ours", NOTHING, ALL_SHARDS, Duty.PREPARE),
        ("ours", ALL_SHARDS - {shard_of(UID)}, NOTHING, Duty.NONE),
        ("theirs", ALL_SHARDS, NOTHING, Duty.NONE),
        ("theirs", NOTHING, ALL_SHARDS, Duty.NONE),
    ],
)
def test_a_thing_is_run_prepared_or_left(
    namespace: str, held: frozenset[int], preparing: frozenset[int], duty: Duty
) -> None:
    duties = Duties(Ours(), SomeShards(held))
    duties.preparing = preparing
    assert duties.of_thing(ObjectKey(namespace, "t"), UID) is duty


@pytest.mark.parametrize(
    ("namespace", "held", "ours"),
    [("ours", ALL_SHARDS, True), ("ours", ALL_SHARDS - {BATCH_SHARD}, False), ("theirs", ALL_SHARDS, False)],
)
def test_a_batch_goes_by_the_shard_of_all_batches(
    namespace: str, held: frozenset[int], *, ours: bool
) -> None:
    duties, key = Duties(Ours(), SomeShards(held)), ObjectKey(namespace, "b")
    found = (duties.runs_batch(key), duties.may_write_batch(key), duties.may_order(key))
    assert found == (ours, ours, ours)


def test_of_batches_that_are_given_is_written_and_nothing_ordered() -> None:
    duties = Duties(Ours(), SomeShards(ALL_SHARDS - {BATCH_SHARD}, giving=frozenset({BATCH_SHARD})))
    assert duties.may_write_batch(KEY)
    assert not duties.may_order(KEY)


def test_what_is_not_certain_is_run_but_neither_written_nor_connected() -> None:
    scopes, holdings = Ours(), SomeShards(replicas=3)
    duties = Duties(scopes, holdings)
    assert duties.members() == duties.connecting() == 3
    assert duties.may_write_thing("ours", UID)
    assert duties.may_connect(KEY, UID, 17.5)
    assert holdings.asked == [17.5]
    holdings.is_certain = False
    assert duties.of_thing(KEY, UID) is Duty.RUN
    assert duties.runs_batch(KEY)
    assert not duties.may_connect(KEY, UID, None)
    assert not duties.may_write_thing("ours", UID)
    assert not duties.may_write_batch(KEY)
    assert not duties.may_order(KEY)
    holdings.is_certain, scopes.is_certain = True, False
    assert not duties.may_write_thing("ours", UID)
    assert not duties.may_write_batch(KEY)
    assert not duties.may_order(KEY)
    assert not duties.may_connect(ObjectKey("theirs", "t"), UID, None)


def test_a_networked_child_is_run_where_its_parent_is() -> None:
    child = "11111111-0000-4000-8000-000000000000"
    assert shard_of(child) != shard_of(UID)
    duties = Duties(Ours(), SomeShards(frozenset({shard_of(UID)})))
    assert duties.of_thing(KEY, child) is Duty.NONE
    duties.owner_uid = {child: UID, UID: UID}.__getitem__
    assert duties.of_thing(KEY, child) is Duty.RUN
    assert duties.shard(child) == shard_of(UID)
    assert duties.may_write_thing("ours", child)
    assert not duties.runs_elsewhere(KEY, child)
    duties.preparing = frozenset({shard_of(UID)})
    assert duties.of_thing(KEY, child) is Duty.PREPARE
    assert duties.runs_thing(KEY.namespace, child)
    assert not duties.knows_thing(KEY.namespace, child), "it was not listed yet, perhaps"
    duties.preparing = frozenset()
    assert duties.knows_thing(KEY.namespace, child)
    assert not duties.knows_thing("theirs", child)


def test_nothing_is_written_of_a_thing_while_it_is_open_whose_it_is() -> None:
    duties = Duties(Ours(), SomeShards())
    duties.knows_owner = {UID: True, "child": False}.__getitem__
    assert duties.may_write_thing("ours", UID)
    assert not duties.may_write_thing("ours", "child")
    assert duties.of_thing(KEY, "child") is Duty.RUN
