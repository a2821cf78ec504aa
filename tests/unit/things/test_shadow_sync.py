"""From spec to shadow over the real rules of the shadow service: sent once, recorded first, never a loop."""

import pytest
from tests.unit.things.reconciles import Reconciles

from thing_operator.core.backoff import RECHECK
from thing_operator.session import RequestTimeoutError
from thing_operator.twin.managed_paths import ManagedPaths


async def test_a_new_thing_is_remembered_then_sent_then_accepted() -> None:
    thing = Reconciles()
    done = await thing.run({"a": 1, "b": {"c": 2}})
    assert done.accepted
    assert thing.records == [ManagedPaths(desired=("/a", "/b/c"))]
    assert thing.session.sent == [{"a": 1, "b": {"c": 2}}]
    assert thing.session.desired() == {"a": 1, "b": {"c": 2}}


async def test_nothing_is_sent_again() -> None:
    thing = Reconciles()
    await thing.run({"a": 1})
    done = await thing.run({"a": 1})
    assert done.accepted
    assert len(thing.session.sent) == 1
    assert len(thing.records) == 1


async def test_a_changed_value_needs_no_new_memory() -> None:
    thing = Reconciles()
    await thing.run({"a": 1})
    await thing.run({"a": 2}, generation=2)
    assert thing.session.sent[1:] == [{"a": 2}]
    assert len(thing.records) == 1


async def test_a_removed_key_gets_null_and_is_forgotten_after() -> None:
    thing = Reconciles()
    await thing.run({"a": 1, "b": {"c": 2}})
    done = await thing.run({"a": 1}, generation=2)
    assert thing.session.sent[1:] == [{"b": None}]
    assert done.managed.desired == ("/a",)


async def test_a_key_that_becomes_null_is_left_out() -> None:
    thing = Reconciles()
    await thing.run({"x": {"a": 1}, "y": 1})
    done = await thing.run({"x": None, "y": 1}, generation=2)
    assert done.accepted
    assert thing.session.sent[1:] == [{"x": None}]
    assert done.managed.desired == ("/y",)
    await thing.run({"x": {}, "y": 1}, generation=3)
    assert thing.session.desired() == {"x": {}, "y": 1}


async def test_a_foreign_edit_is_repaired_and_then_not_at_once_again() -> None:
    thing = Reconciles()
    await thing.run({"a": 1})
    thing.session.foreign(desired={"a": 9})
    await thing.session.refresh()
    done = await thing.run({"a": 1})
    assert done.accepted
    assert done.repaired == ("/a",)
    thing.session.foreign(desired={"a": 9})
    await thing.session.refresh()
    waiting = await thing.run({"a": 1})
    assert waiting.problem is not None
    assert not waiting.problem.stalled
    assert waiting.drift == ("/a",)
    assert thing.session.desired() == {"a": 9}
    thing.clock.advance(61)
    assert (await thing.run({"a": 1})).accepted
    assert thing.session.desired() == {"a": 1}


@pytest.mark.parametrize("generation", [1, 2])
async def test_of_a_spec_that_may_be_outdated_nothing_is_sent(generation: int) -> None:
    """Neither a repair (the generation was accepted) nor what a new generation asks for."""
    thing = Reconciles()
    await thing.run({"a": 1})
    thing.session.foreign(desired={"a": 9})
    await thing.session.refresh()
    waiting = await thing.run({"a": 1}, generation=generation, is_current=lambda: False)
    assert thing.session.desired() == {"a": 9}
    assert waiting.problem is not None
    assert (waiting.problem.reason, waiting.problem.stalled) == ("ApiServerUnavailable", False)
    assert waiting.requeue_after is not None
    assert (await thing.run({"a": 1}, generation=generation)).accepted
    assert thing.session.desired() == {"a": 1}


async def test_that_a_spec_may_be_outdated_is_asked_when_the_shadow_was_read() -> None:
    """Reading it may take long, and everything may be another operator's then."""
    thing = Reconciles()
    thing.requests.unread = True
    await thing.run({"a": 1}, is_current=lambda: not thing.session.reads)
    assert (thing.session.reads, thing.session.sent) == (1, [])


async def test_a_shadow_in_step_with_a_spec_that_may_be_outdated_stays_accepted() -> None:
    thing = Reconciles()
    await thing.run({"a": 1})
    assert (await thing.run({"a": 1}, is_current=lambda: False)).accepted


async def test_once_leaves_a_foreign_edit_and_shows_it() -> None:
    thing = Reconciles()
    await thing.run({"a": 1}, desiredPolicy="Once")
    thing.session.foreign(desired={"a": 9})
    await thing.session.refresh()
    done = await thing.run({"a": 1}, desiredPolicy="Once")
    assert done.accepted
    assert done.drift == ("/a",)
    assert thing.session.desired() == {"a": 9}
    again = await thing.run({"a": 1}, generation=2, desiredPolicy="Once")
    assert again.accepted
    assert thing.session.desired() == {"a": 1}


async def test_observe_sends_nothing() -> None:
    thing = Reconciles()
    done = await thing.run({"a": 1}, desiredPolicy="Observe")
    assert done.accepted
    assert thing.session.sent == []


async def test_a_refusal_for_good_is_not_repeated_until_the_spec_changes() -> None:
    thing = Reconciles()
    thing.session.codes = [413]
    done = await thing.run({"a": 1})
    assert done.problem is not None
    assert (done.problem.reason, done.problem.stalled) == ("Rejected", True)
    thing.clock.advance(125)
    again = await thing.run({"a": 1})
    assert again.problem == done.problem
    assert thing.session.sent == []
    assert (await thing.run({"a": 2}, generation=2)).accepted


async def test_a_refusal_for_good_is_repeated_when_what_is_amiss_is_looked_at_again() -> None:
    thing = Reconciles()
    thing.session.codes = [400, 400]
    done = await thing.run({"a": 1})
    thing.clock.advance(RECHECK.total_seconds() / 2)
    assert (await thing.run({"a": 1})).problem == done.problem
    assert thing.session.codes == [], "asked once more"
    assert (await thing.run({"a": 1})).problem == done.problem
    thing.clock.advance(RECHECK.total_seconds() / 2)
    assert (await thing.run({"a": 1})).accepted


async def test_what_was_too_large_is_sent_when_there_is_more_room() -> None:
    thing = Reconciles()
    thing.edited(reported={"much": "x" * 8000})
    done = await thing.run({"a": "y" * 500})
    assert done.problem is not None
    assert (done.problem.reason, done.problem.stalled) == ("Rejected", True)
    assert "413" in done.problem.message
    refused = len(thing.session.sent)
    thing.clock.advance(2)
    thing.edited(reported={"much": "x" * 8000, "more": 1})
    await thing.run({"a": "y" * 500})
    assert len(thing.session.sent) == refused, "no more room than before"
    thing.edited(reported={"much": None})
    assert (await thing.run({"a": "y" * 500})).accepted


async def test_room_that_comes_just_after_a_refusal_waits_for_the_pause() -> None:
    thing = Reconciles()
    thing.edited(reported={"much": "x" * 8000})
    await thing.run({"a": "y" * 500})
    thing.edited(reported={"much": None})
    waits = await thing.run({"a": "y" * 500})
    assert waits.requeue_after is not None
    thing.clock.advance(waits.requeue_after.total_seconds())
    assert (await thing.run({"a": "y" * 500})).accepted


@pytest.mark.parametrize("code", [409, 429, 500])
async def test_a_refusal_for_now_is_tried_again_after_a_pause(code: int) -> None:
    thing = Reconciles()
    thing.session.codes = [code]
    done = await thing.run({"a": 1})
    assert done.problem is not None
    assert not done.problem.stalled
    assert not (await thing.run({"a": 1})).accepted
    assert thing.session.sent == []
    thing.clock.advance(2)
    assert (await thing.run({"a": 1})).accepted


async def test_what_a_policy_forbids_needs_a_person_and_is_tried_again() -> None:
    thing = Reconciles()
    thing.session.codes = [403, 403]
    for _ in range(2):
        for _ in range(2):
            refused = (await thing.run({"a": 1})).problem
            assert refused is not None
            assert (refused.reason, refused.stalled) == ("NotAuthorized", True)
        thing.clock.advance(121)
    assert thing.session.codes == []
    assert (await thing.run({"a": 1})).accepted


async def test_a_lost_answer_leads_to_a_look_and_to_no_second_update() -> None:
    thing = Reconciles()
    thing.session.lose = [RequestTimeoutError("no answer")]
    assert not (await thing.run({"a": 1})).accepted
    thing.clock.advance(2)
    assert (await thing.run({"a": 1})).accepted
    assert thing.session.sent == [{"a": 1}]


async def test_what_cannot_be_read_is_not_asked_for_at_every_turn() -> None:
    """Each report of the device brings the Thing back on the queue."""
    thing = Reconciles()
    thing.session.lose = [RequestTimeoutError("no answer")]
    thing.session.unreadable = [RequestTimeoutError("no answer")] * 100
    for _ in range(600):
        done = await thing.run({"a": 1})
        assert done.problem is not None
        assert done.problem.message == "no answer"
        thing.clock.advance(0.1)
    assert 5 <= thing.session.reads <= 8, "with pauses of up to 1, 2, 4, 8, 16 and 32 s"
    thing.session.unreadable = []
    thing.clock.advance(61)
    assert (await thing.run({"a": 1})).accepted
    assert thing.session.sent == [{"a": 1}]


async def test_what_aws_would_refuse_is_not_sent() -> None:
    thing = Reconciles()
    done = await thing.run({"a": [1, None]})
    assert done.problem is not None
    assert (done.problem.reason, done.problem.stalled) == ("InvalidDesired", True)
    assert "spec.desired/a/1" in done.problem.message
    assert thing.session.sent == []


async def test_without_a_session_the_memory_is_prepared_and_nothing_sent() -> None:
    thing = Reconciles()
    thing.session.connected = False
    done = await thing.run({"a": 1})
    assert not done.accepted
    assert done.managed.desired == ("/a",)


async def _deleted_unheard() -> Reconciles:
    """Generation 1 was accepted; then the shadow was deleted, of which no message came to the session."""
    thing = Reconciles()
    await thing.run({"a": 1})
    thing.session.delete()
    return thing


@pytest.mark.parametrize("policy", ["Merge", "Exact", "Once"])
async def test_what_was_known_before_a_generation_is_no_proof_that_it_is_accepted(policy: str) -> None:
    """With Once it would never be sent: it counts as accepted when the deletion is found out."""
    thing = await _deleted_unheard()
    done = await thing.run({"a": 1}, generation=2, desiredPolicy=policy)
    assert done.accepted
    assert thing.session.desired() == {"a": 1}


async def test_a_generation_is_not_accepted_before_the_shadow_could_be_read() -> None:
    thing = await _deleted_unheard()
    thing.session.unreadable = [RequestTimeoutError("no answer"), RequestTimeoutError("no answer")]
    for _ in range(2):
        done = await thing.run({"a": 1}, generation=2)
        assert done.problem is not None
        assert not done.accepted
        thing.clock.advance(61)
    assert (await thing.run({"a": 1}, generation=2)).accepted
    assert thing.session.desired() == {"a": 1}


async def test_the_shadow_is_read_for_a_generation_only_if_nothing_else_has_shown_it() -> None:
    thing = Reconciles()
    await thing.run({"a": 1})
    await thing.run({"a": 1})
    await thing.run({"a": 2}, generation=2)
    await thing.run({"a": 2}, generation=2)
    assert thing.session.reads == 0, "each update was answered"
    await thing.run({"a": 2}, generation=3)
    await thing.run({"a": 2}, generation=3)
    assert thing.session.reads == 1
    thing.session.connected = False
    assert not (await thing.run({"a": 2}, generation=4)).accepted
    thing.session.connected = True
    assert (await thing.run({"a": 2}, generation=4)).accepted
    thing.restart()
    assert (await thing.run({"a": 2}, generation=4)).accepted
    assert thing.session.reads == 1, "connecting has read it"
