"""What becomes of a status that is refused, or whose answer is lost."""

import asyncio
import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import ORIGIN, loop_time
from tests.support.fakes import object_ref
from tests.support.loop import run_virtual
from tests.support.polling import until
from tests.unit.kube.writer_on_fake import NOW, WriterOnFake, a_moment_later

from thing_operator.core.backoff import RECHECK
from thing_operator.kube.errors import (
    ApiUnavailableError,
    DeniedObjectError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
)


async def test_trouble_is_waited_out_and_the_last_value_lands(setup: WriterOnFake) -> None:
    setup.client.errors = [ApiUnavailableError("down"), ApiUnavailableError("down")]
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: not setup.client.errors)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=False, min_interval=NOW)
    await until(lambda: setup.values()[-1:] == [{"n": 1}])


async def test_a_status_that_the_schema_refuses_is_given_up_at_the_end(
    setup: WriterOnFake, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [InvalidObjectError("schema")]
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: "cannot be written" in caplog.text)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == []
    assert setup.deleted == []


async def test_a_part_that_was_not_taken_is_tried_again_with_the_rest(setup: WriterOnFake) -> None:
    setup.writer.enqueue(object_ref(), {"a": 1, "part": 0}, urgent=True, min_interval=NOW)
    await until(lambda: len(setup.values()) == 1)
    setup.client.errors = [ApiUnavailableError("down")]
    setup.writer.patch(object_ref(), lambda: {"part": 1}, min_interval=NOW)
    await until(lambda: not setup.client.errors)
    setup.writer.patch(object_ref(), lambda: {"part": 2}, min_interval=NOW)
    await until(lambda: setup.values()[-1] == {"a": 1, "part": 2})


@pytest.mark.parametrize("error", [NotFoundError("deleted"), InvalidObjectError("uid")])
async def test_a_deleted_object_is_reported(setup: WriterOnFake, error: NotFoundError) -> None:
    setup.client.uid = "another"
    setup.client.errors = [error]
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: setup.deleted == [object_ref()])


async def test_a_404_of_an_object_that_is_there_is_not_believed(setup: WriterOnFake) -> None:
    setup.client.errors = [NotFoundError("PATCH: 404")]
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: setup.values() == [{"n": 0}])
    assert setup.deleted == []
    setup.client.errors = [NotFoundError("PATCH: 404")]
    with pytest.raises(ApiUnavailableError, match="404, and the object is there"):
        await setup.writer.write_through(object_ref(), {"n": 1})
    assert setup.deleted == []


async def test_what_a_policy_refuses_is_tried_again_and_logged_once(
    setup: WriterOnFake, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [DeniedObjectError("422 denied: only the platform team may")] * 3
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: setup.values() == [{"n": 0}], timeout=3000)
    times = [record.message for record in caplog.records if "only the platform team may" in record.message]
    assert len(times) == 1
    assert 3 * RECHECK.total_seconds() / 2 <= loop_time() - ORIGIN <= 3 * RECHECK.total_seconds() + 1


async def test_another_status_does_not_wait_for_the_refused_one(setup: WriterOnFake) -> None:
    setup.client.errors = [InvalidObjectError("422 not of the schema")]
    setup.writer.enqueue(object_ref(), {"n": "?"}, urgent=True, min_interval=NOW)
    await until(lambda: not setup.client.errors)
    setup.writer.enqueue(object_ref(), {"n": "?"}, urgent=True, min_interval=NOW)
    await a_moment_later()
    assert setup.values() == [], "the same waits"
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=NOW)
    await a_moment_later()
    assert setup.values() == [{"n": 1}]


async def test_a_lost_answer_does_not_hide_the_way_back(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"v": "A"})
    setup.client.lost = [ApiUnavailableError("the answer is lost")]
    setup.writer.enqueue(object_ref(), {"v": "B"}, urgent=True, min_interval=NOW)
    await until(lambda: not setup.client.lost)
    setup.writer.enqueue(object_ref(), {"v": "A"}, urgent=True, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=5))
    assert setup.values()[-1] == {"v": "A"}


async def test_what_is_refused_for_certain_leaves_no_doubt(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"v": "A"})
    setup.client.errors = [ThrottledError("429")]
    setup.writer.enqueue(object_ref(), {"v": "B"}, urgent=True, min_interval=NOW)
    await until(lambda: not setup.client.errors)
    await setup.writer.wait_in_flight([object_ref()])
    setup.writer.enqueue(object_ref(), {"v": "A"}, urgent=True, min_interval=NOW)
    assert setup.candidates() == ({"v": "A"},)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == []


async def test_after_many_lost_answers_nothing_counts_as_held(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"managed": 0})
    for number in range(1, 8):
        setup.client.lost = [ApiUnavailableError("the answer is lost")]
        with pytest.raises(ApiUnavailableError):
            await setup.writer.write_through(object_ref(), {"managed": number})
    possible = setup.candidates()
    assert {} in possible
    assert len(possible) < 8
    await setup.writer.write_through(object_ref(), {"managed": 8})
    assert setup.candidates() == ({"managed": 8},)


@pytest.mark.parametrize(
    "error", [ApiUnavailableError("down"), NotFoundError("deleted"), InvalidObjectError("no")]
)
async def test_an_object_forgotten_while_its_write_fails_takes_nobody_along(
    setup: WriterOnFake, error: ApiUnavailableError
) -> None:
    setup.client.open.clear()
    setup.client.errors = [error]
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=NOW)
    await until(lambda: setup.client.flying == 1)
    setup.writer.drop(object_ref())
    setup.client.open.set()
    setup.writer.enqueue(object_ref("other"), {"n": 2}, urgent=True, min_interval=NOW)
    await until(lambda: setup.values() == [{"n": 2}])
    setup.writer.drop(object_ref("other"))
    assert (setup.candidates(), setup.writer.candidates(object_ref("other"))) == ((), ())
    assert setup.writer.backlog == 0


@pytest.mark.parametrize("steps", range(6))
async def test_an_object_forgotten_at_whatever_moment_takes_nobody_along(
    setup: WriterOnFake, steps: int
) -> None:
    for number in range(12):
        setup.writer.enqueue(object_ref(f"t{number}"), {"n": 1}, urgent=True, min_interval=NOW)
        for _ in range(steps):
            await asyncio.sleep(0)
        setup.writer.drop(object_ref(f"t{number}"))
    setup.writer.enqueue(object_ref("last"), {"n": 2}, urgent=True, min_interval=NOW)
    await until(lambda: {"n": 2} in setup.values())


async def test_a_missing_right_is_waited_out_and_an_outage_is_logged_once(
    setup: WriterOnFake, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [ForbiddenError("no right") for _ in range(8)]
    for name in "abcd":
        setup.writer.enqueue(object_ref(name), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: len(setup.values()) == 4)
    setup.client.errors = [ForbiddenError("still no right")]
    setup.writer.enqueue(object_ref("e"), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: len(setup.values()) == 5)
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1, "a minute, also where others are written meanwhile"


async def test_the_api_server_says_how_long_to_leave_it_alone(setup: WriterOnFake) -> None:
    throttled = ThrottledError("429")
    throttled.retry_after = timedelta(seconds=17)
    setup.client.errors = [throttled]
    began = loop_time()
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: setup.values() == [{"n": 0}])
    assert setup.client.written_at[0] - began >= 17


async def test_objects_that_were_refused_together_do_not_come_back_together(setup: WriterOnFake) -> None:
    throttled = ThrottledError("429")
    throttled.retry_after = timedelta(seconds=17)
    setup.client.errors = [throttled] * 20
    for number in range(20):
        setup.writer.enqueue(object_ref(f"t{number}"), {"n": 0}, urgent=True, min_interval=NOW)
    refused_at = loop_time()
    await until(lambda: len(setup.client.written) == 20)
    pauses = [at - refused_at for at in setup.client.written_at]
    assert all(17 <= pause < 60 for pause in pauses)
    assert len(set(pauses)) == 20


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0, max_value=2**32), st.lists(st.sampled_from(["ok", "down", "lost", "429"])))
def test_the_last_value_lands_whatever_fails_on_the_way(seed: int, faults: list[str]) -> None:
    async def scenario() -> None:
        rng = random.Random(seed)
        setup = WriterOnFake(rate=1e5)
        setup.writer.seed(object_ref("a"), {"n": 0})
        setup.writer.seed(object_ref("b"), {"n": 0})
        await setup.writer.start()
        wanted: dict[str, object] = {}
        for fault in faults:
            if fault == "down":
                setup.client.errors.append(ApiUnavailableError("down"))
            elif fault == "429":
                setup.client.errors.append(ThrottledError("429"))
            elif fault == "lost":
                setup.client.lost.append(ApiUnavailableError("lost"))
            name, value = rng.choice("ab"), {"n": rng.randrange(3)}
            wanted[name] = value
            interval = timedelta(seconds=rng.choice([0, 1]))
            setup.writer.enqueue(object_ref(name), value, urgent=rng.random() < 0.5, min_interval=interval)
            for _ in range(rng.randrange(8)):
                await asyncio.sleep(0)
        setup.client.errors.clear()
        setup.client.lost.clear()
        await until(lambda: setup.writer.backlog == 0 and setup.client.flying == 0, timeout=600)
        await setup.writer.stop()
        held = {"a": {"n": 0}, "b": {"n": 0}} | {key.name: value for key, value in setup.client.written}
        assert {name: held[name] for name in wanted} == wanted

    run_virtual(scenario())
