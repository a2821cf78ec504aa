"""spec.device over the real rules of the shadow service: facts, presence and answers, each in its own time."""

from typing import Any

from tests.unit.things.reconciles import Reconciles

from thing_operator.twin.managed_paths import ManagedPaths

ACKNOWLEDGE = {"acknowledge": "All"}


async def test_desired_state_and_facts_go_out_in_one_update_and_are_recorded_first() -> None:
    thing = Reconciles()
    done = await thing.run({"a": 1}, device={"reported": {"model": "F"}, "connectionStatus": True})
    assert done.accepted
    assert thing.records == [ManagedPaths(desired=("/a",), reported=("/model", "/tcxn/connection_status"))]
    assert thing.session.sent == [{"a": 1}]
    assert thing.session.reports == [{"model": "F", "tcxn": {"connection_status": 2}}]
    await thing.run({"a": 1}, device={"reported": {"model": "F"}, "connectionStatus": True})
    assert len(thing.session.reports) == 1


async def test_a_fact_that_is_no_longer_one_gets_null() -> None:
    thing = Reconciles()
    await thing.run({}, device={"reported": {"model": "F", "site": {"row": 3}}})
    done = await thing.run({}, generation=2, device={"reported": {"model": "F"}})
    assert thing.session.reports[1:] == [{"site": None}]
    assert done.managed.reported == ("/model",)
    done = await thing.run({}, generation=3)
    assert thing.session.reported() == {}
    assert done.managed == ManagedPaths()


async def test_what_others_report_is_left_alone() -> None:
    thing = Reconciles()
    thing.session.foreign(reported={"temperature": 4, "tcxn": {"rssi": 80}})
    await thing.session.refresh()
    await thing.run({}, device={"reported": {"tcxn": {"fw_ver": "1"}}})
    await thing.run({}, generation=2)
    assert thing.session.reported() == {"temperature": 4, "tcxn": {"rssi": 80}}


async def test_a_changed_fact_is_repaired_and_then_not_at_once_again() -> None:
    thing = Reconciles()
    device = {"reported": {"model": "F"}}
    await thing.run({}, device=device)
    assert (await thing.edited(reported={"model": "G"}).run({}, device=device)).repaired == (
        "reported /model",
    )
    held = await thing.edited(reported={"model": "G"}).run({}, device=device)
    assert held.problem is not None
    assert not held.problem.stalled
    thing.clock.advance(61)
    await thing.run({}, device=device)
    assert thing.session.reported() == {"model": "F"}


async def test_a_stale_offline_is_put_right_without_a_word_and_not_in_a_hot_loop() -> None:
    thing = Reconciles()
    device = {"connectionStatus": True, "reported": {"model": "F"}}
    offline = {"tcxn": {"connection_status": 0}}
    await thing.run({}, device=device)
    held = await thing.edited(reported=offline).run({}, device=device)
    assert held.accepted
    assert held.requeue_after is not None
    thing.clock.advance(held.requeue_after.total_seconds())
    done = await thing.run({}, device=device)
    assert (done.accepted, done.repaired) == (True, ())
    assert thing.session.reported()["tcxn"] == {"connection_status": 2}
    for _ in range(10):
        await thing.edited(reported=offline).run({}, device=device)
    assert len(thing.session.reports) == 2


async def test_presence_leaves_other_facts_of_mics_section_as_they_are() -> None:
    thing = Reconciles()
    device = {"connectionStatus": True, "reported": {"tcxn": {"cellular": {"rssi": -70}}}}
    await thing.run({}, device=device)
    whole = {"tcxn": {"cellular": {"rssi": -70}, "connection_status": 2}}
    assert thing.session.reported() == whole
    thing.clock.advance(60)
    await thing.edited(reported={"tcxn": {"connection_status": 0, "cellular": {"rssi": -80}}}).run(
        {}, device=device
    )
    assert thing.session.reported() == whole


async def test_presence_does_not_wait_for_a_fight_over_another_fact() -> None:
    thing = Reconciles()
    device = {"connectionStatus": True, "reported": {"model": "F"}}
    await thing.run({}, device=device)
    for _ in range(4):
        thing.clock.advance(10)
        await thing.edited(reported={"model": "G"}).run({}, device=device)
    assert (await thing.edited(reported={"model": "G"}).run({}, device=device)).problem is not None
    await thing.edited(reported={"model": "G", "tcxn": {"connection_status": 0}}).run({}, device=device)
    assert thing.session.reported() == {"model": "G", "tcxn": {"connection_status": 2}}


async def test_a_delta_is_answered_with_the_desired_values() -> None:
    thing = Reconciles()
    desired = {"a": [1, {"b": 2}], "c": {}, "d": {"e": "x"}}
    done = await thing.run(desired, device=ACKNOWLEDGE)
    assert done.accepted
    assert thing.session.reports == [desired]
    assert thing.session.view.document is not None
    assert thing.session.view.document.pending == ()
    assert done.managed.reported == ()


async def test_only_the_paths_are_answered() -> None:
    thing = Reconciles()
    await thing.run({"a": 1, "b": 2}, device={"acknowledge": "Paths", "acknowledgePaths": ["/a"]})
    assert thing.session.reported() == {"a": 1}


async def test_an_answer_waits_for_its_delay() -> None:
    thing = Reconciles()
    device = ACKNOWLEDGE | {"acknowledgeDelay": "5s"}
    done = await thing.run({"a": 1}, device=device)
    assert done.accepted
    assert done.requeue_after is not None
    assert done.requeue_after.total_seconds() == 5
    thing.clock.advance(3)
    done = await thing.edited(desired={"b": 2}).run({"a": 1}, device=device)
    assert thing.session.reports == []
    assert done.requeue_after is not None
    assert done.requeue_after.total_seconds() == 2
    thing.clock.advance(2)
    await thing.run({"a": 1}, device=device)
    assert thing.session.reported() == {"a": 1, "b": 2}


async def test_what_others_desire_is_answered_under_every_policy_and_nothing_loops() -> None:
    for policy in ("Merge", "Exact", "Once", "Observe"):
        thing = Reconciles()
        spec: dict[str, Any] = {"desiredPolicy": policy, "device": ACKNOWLEDGE}
        await thing.run({"a": 1}, **spec)
        await thing.edited(desired={"a": 5, "other": 7}).run({"a": 1}, **spec)
        sent = (len(thing.session.sent), len(thing.session.reports))
        for _ in range(5):
            thing.clock.advance(100)
            await thing.run({"a": 1}, **spec)
        assert (len(thing.session.sent), len(thing.session.reports)) == sent, policy
        document = thing.session.view.document
        assert document is not None
        assert document.pending == ()
        assert (
            document.desired
            == {
                "Merge": {"a": 1, "other": 7},
                "Exact": {"a": 1},
                "Once": {"a": 5, "other": 7},
                "Observe": {"a": 5, "other": 7},
            }[policy]
        )


async def test_two_reporters_do_not_drive_each_other_in_circles() -> None:
    thing = Reconciles()
    await thing.run({"a": 1}, device=ACKNOWLEDGE)
    for _ in range(50):
        await thing.edited(reported={"a": 9}).run({"a": 1}, device=ACKNOWLEDGE)
        thing.clock.advance(0.1)
    assert len(thing.session.reports) <= 5


async def test_a_new_delta_is_answered_at_once_however_often_the_old_one_was() -> None:
    thing = Reconciles()
    await thing.run({"a": 1}, device=ACKNOWLEDGE)
    for value in range(2, 11):
        await thing.edited(desired={"other": value}).run({"a": 1}, device=ACKNOWLEDGE)
    assert thing.session.reported() == {"a": 1, "other": 10}


async def test_true_is_another_answer_than_1_and_does_not_wait_for_its_pause() -> None:
    thing = Reconciles()
    for value in (1, True):
        await thing.edited(desired={"on": value}).run({}, device=ACKNOWLEDGE)
        assert thing.session.reported()["on"] is value


async def test_who_desires_one_thing_and_another_in_turn_gets_one_answer_a_second() -> None:
    thing = Reconciles()
    for value in range(600):
        await thing.edited(desired={"other": value % 2}).run({"a": 1}, device=ACKNOWLEDGE)
        thing.clock.advance(0.1)
    assert 60 <= len(thing.session.reports) <= 70, "of six hundred in a minute"
    thing.clock.advance(30)
    await thing.edited(desired={"other": 7}).run({"a": 1}, device=ACKNOWLEDGE)
    assert thing.session.reported() == {"a": 1, "other": 7}


async def test_what_is_simulated_is_remembered_before_it_is_reported_and_left_alone() -> None:
    thing = Reconciles()
    device: Any = {"simulate": [{"path": "/t", "every": "1s", "counter": {}}]}
    done = await thing.run({}, device=device)
    assert thing.records == [ManagedPaths(reported=("/t",))]
    assert done.accepted
    await thing.edited(reported={"t": 5}).run({}, device=device)
    assert thing.session.reports == []
    await thing.run({}, generation=2)
    assert thing.session.reports == [{"t": None}]


async def test_a_refused_report_is_stalled_and_not_sent_again() -> None:
    thing = Reconciles()
    thing.session.codes = [413]
    done = await thing.run({}, device={"reported": {"a": 1}})
    assert done.problem is not None
    assert (done.problem.reason, done.problem.stalled) == ("Rejected", True)
    thing.clock.advance(120)
    await thing.run({}, device={"reported": {"a": 1}})
    assert thing.session.reports == []


async def test_a_refused_answer_of_1_does_not_keep_true_back() -> None:
    thing = Reconciles()
    thing.session.codes = [413]
    done = await thing.edited(desired={"on": 1}).run({}, device=ACKNOWLEDGE)
    assert done.problem is not None
    thing.clock.advance(120)
    await thing.edited(desired={"on": True}).run({}, device=ACKNOWLEDGE)
    assert thing.session.reported()["on"] is True


async def test_the_delta_of_yesterday_is_not_answered() -> None:
    thing = Reconciles()
    device = ACKNOWLEDGE | {"acknowledgeDelay": "5s"}
    await thing.run({"a": 1}, device=device)
    thing.clock.advance(10)
    await thing.run({"a": 2}, generation=2, device=device)
    assert thing.session.reports == [{"a": 2}]
