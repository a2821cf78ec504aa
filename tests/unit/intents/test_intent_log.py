"""The log of intents: written for many at once, emptied at rest, taken over, and done without where it cannot be."""

import asyncio
import json

import pytest
from tests.support.clock import FakeClock
from tests.support.intents import HOME, IntentProcess, IntentServer, no_intent_log, thing_ref
from tests.support.loop import run_virtual
from tests.support.polling import until

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.resource import ObjectKey
from thing_operator.intents import intent_log
from thing_operator.intents.intent import Intent
from thing_operator.intents.log_text import write_log
from thing_operator.intents.store import INTENTS_LABEL
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, InvalidObjectError
from thing_operator.twin.managed_paths import ManagedPaths

THINGS = [thing_ref(f"t{number}") for number in range(5)]


def intent(*paths: str) -> Intent:
    return Intent.beside({}, ManagedPaths(paths), namespace="ns", generation=1)


async def record_all(process: IntentProcess, *paths: str) -> list[bool]:
    return await asyncio.gather(*(process.log.record(ref, intent(*paths)) for ref in process.things))


async def write_statuses(process: IntentProcess, *paths: str) -> None:
    for ref in process.things:
        await process.writer.write_through(ref, {"managedPaths": list(paths)})


def put_log(server: IntentServer, text: str, *, name: str = "other") -> None:
    metadata = {
        "name": name,
        "namespace": HOME,
        "labels": {INTENTS_LABEL: ""},
        "resourceVersion": f"by-{name}",
    }
    server.config_maps[ObjectKey(HOME, name)] = {"metadata": metadata, "data": {"log": text}}


def test_those_that_come_together_are_written_together_and_the_log_is_deleted_at_rest() -> None:
    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        assert all(await record_all(process, "/a"))
        assert server.writes("configmaps") == 1
        assert set(server.logs()["log-a"]) == {ref.uid for ref in THINGS}
        assert process.log.remembered(THINGS[0], b"{}").desired == ("/a",)
        await write_statuses(process, "/a")
        await until(lambda: not server.config_maps, "at rest")
        assert not process.log.is_busy
        await process.stop()

    run_virtual(scenario())


def test_a_first_one_is_written_at_once_and_the_next_wait_for_each_other() -> None:
    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert await process.log.record(THINGS[0], intent("/a"))
        assert loop.time() == begin
        others = [asyncio.create_task(process.log.record(ref, intent("/a"))) for ref in THINGS[1:3]]
        await asyncio.sleep(0.1)
        others += [asyncio.create_task(process.log.record(ref, intent("/a"))) for ref in THINGS[3:]]
        assert all(await asyncio.gather(*others))
        assert loop.time() == pytest.approx(begin + 0.2)
        assert server.writes("configmaps") == 2
        await process.stop()

    run_virtual(scenario())


def test_a_long_log_is_written_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent_log, "_FEW", 2)

    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert all(await asyncio.gather(*(process.log.record(ref, intent("/a")) for ref in THINGS[:4])))
        assert await process.log.record(THINGS[4], intent("/a"))
        assert loop.time() == pytest.approx(begin + 0.4), "twice as long as _FEW"
        await process.stop()

    run_virtual(scenario())


def test_a_killed_process_leaves_what_another_one_minds_and_then_takes_out() -> None:
    async def scenario() -> None:
        server = IntentServer()
        first = IntentProcess(server, THINGS)
        await first.start()
        assert all(await record_all(first, "/a"))
        await first.writer.write_through(THINGS[0], {"managedPaths": ["/a"]})
        await first.kill()
        second = IntentProcess(server, THINGS, name="log-b")
        await second.start()
        known = [second.log.remembered(ref, second.writer.current(ref)).desired for ref in THINGS]
        assert known == [(), *[("/a",)] * 4]
        await write_statuses(second, "/b")
        await until(lambda: not server.config_maps, "the other's log is deleted")
        assert second.log.remembered(THINGS[1], second.writer.current(THINGS[1])) == ManagedPaths()
        await second.stop()

    run_virtual(scenario())


def test_what_two_others_have_noted_of_one_thing_is_minded() -> None:
    """One was ended before its status had it, and so was the next."""

    async def scenario() -> None:
        server = IntentServer()
        put_log(server, write_log({"uid-t1": intent("/a", "/b")}), name="first")
        put_log(server, write_log({"uid-t1": intent("/a")}), name="second")
        process = IntentProcess(server, THINGS)
        await process.start()
        known = process.log.remembered(THINGS[1], process.writer.current(THINGS[1]))
        assert known.desired == ("/a", "/b")
        await process.stop()

    run_virtual(scenario())


def test_of_a_log_of_others_only_what_we_run_is_taken_out() -> None:
    async def scenario() -> None:
        server = IntentServer()
        put_log(server, write_log({"uid-t0": intent("/a"), "uid-of-another-namespace": intent("/b")}))
        process = IntentProcess(server, THINGS)
        mine = {ref.uid for ref in THINGS}
        process.runs_uid = lambda uid: uid in mine
        await process.start()
        await write_statuses(process, "/a")
        await until(lambda: set(server.logs()["other"]) == {"uid-of-another-namespace"}, "taken out")
        await process.stop()
        assert list(server.logs()) == ["other"]

    run_virtual(scenario())


def test_of_a_log_of_others_nothing_is_taken_out_while_they_may_run_it() -> None:
    """Who was cut off does not know what the others have noted, and sent, of what was its own."""

    async def scenario() -> None:
        server = IntentServer()
        put_log(server, write_log({"uid-deleted": intent("/a")}))
        process = IntentProcess(server, list(THINGS))
        process.is_certain = False
        await process.start()
        await asyncio.sleep(60)
        assert list(server.logs()) == ["other"]
        process.is_certain = True
        await until(lambda: not server.config_maps, "it is certain")
        await process.stop()

    run_virtual(scenario())


def test_the_logs_of_others_may_be_read_again_while_one_is_shortened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        server = IntentServer()
        put_log(server, write_log({"uid-deleted": intent("/a")}))
        server.delay = lambda: 0.5 if server.asked[-1] == "delete configmaps" else 0.0
        process = IntentProcess(server, list(THINGS))
        await process.start()
        await until(lambda: server.asked[-1] == "delete configmaps", "it is about to be deleted")
        server.config_maps.clear()  # by another replica
        await process.log.recover(lambda _namespace: True)
        await asyncio.sleep(1)
        await process.stop()

    run_virtual(scenario())
    assert caplog.messages == []


def test_things_that_are_deleted_are_taken_out() -> None:
    async def scenario() -> None:
        server = IntentServer()
        put_log(server, write_log({"uid-deleted-before": intent("/a")}))
        process = IntentProcess(server, list(THINGS))
        await process.start()
        await until(lambda: not server.config_maps, "of a Thing that nobody has")
        assert all(await record_all(process, "/a"))
        process.things.clear()
        await until(lambda: not server.config_maps, "of Things that were deleted meanwhile")
        await process.stop()

    run_virtual(scenario())


def test_what_another_process_has_taken_over_is_not_written_again() -> None:
    async def scenario() -> None:
        server = IntentServer()
        first = IntentProcess(server, list(THINGS))
        await first.start()
        assert all(await record_all(first, "/a"))
        first.runs_uid = lambda uid: uid == THINGS[4].uid
        second = IntentProcess(server, THINGS[:4], name="log-b")
        second.runs_uid = lambda uid: uid != THINGS[4].uid
        await second.start()
        await write_statuses(second, "/a")
        await until(lambda: set(server.logs()["log-a"]) == {THINGS[4].uid}, "taken out of the first's log")
        assert await first.log.record(THINGS[4], intent("/a", "/b"))
        assert set(server.logs()["log-a"]) == {THINGS[4].uid}
        await asyncio.gather(first.stop(), second.stop())

    run_virtual(scenario())


@pytest.mark.parametrize("lost", [False, True], ids=["deleted", "the answer to its making was lost"])
def test_a_log_that_is_not_as_it_was_left_is_written_whole(lost: bool) -> None:
    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        if lost:
            server.lost["create configmaps"] = [ApiUnavailableError("no answer")]
            assert not await process.log.record(THINGS[0], intent("/a"))
            assert list(server.logs()["log-a"]) == [THINGS[0].uid]
        else:
            assert await process.log.record(THINGS[0], intent("/a"))
            server.config_maps.clear()
        assert await process.log.record(THINGS[1], intent("/b"))
        expected = {THINGS[1].uid} if lost else {THINGS[0].uid, THINGS[1].uid}
        assert set(server.logs()["log-a"]) == expected
        await process.stop()

    run_virtual(scenario())


@pytest.mark.parametrize("gives", [True, False], ids=["it is being given", "it is another's"])
def test_a_lost_log_keeps_what_is_being_given_and_says_so(gives: bool) -> None:
    """Nothing is sent of what the log does not have; and of what is given it has what was sent before."""

    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        assert await process.log.record(THINGS[0], intent("/a"))
        recording = asyncio.create_task(process.log.record(THINGS[1], intent("/a")))
        await asyncio.sleep(0.1)
        server.config_maps.clear()
        process.runs_uid, process.gives_uid = (lambda _uid: False), lambda _uid: gives
        assert await recording is gives
        assert set(server.logs().get("log-a", ())) == ({each.uid for each in THINGS[:2]} if gives else set())
        await process.kill()

    run_virtual(scenario())


def test_garbage_in_our_own_log_is_written_over() -> None:
    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        assert await process.log.record(THINGS[0], intent("/a"))
        put_log(server, "garbage", name="log-a")
        assert await process.log.record(THINGS[1], intent("/b"))
        assert len(server.logs()["log-a"]) == 2
        await process.stop()

    run_virtual(scenario())


REFUSALS: dict[str, tuple[str, ThingOperatorError]] = {
    "no right to list": ("list configmaps", ForbiddenError("403 no right")),
    "no right to make": ("create configmaps", ForbiddenError("403 no right")),
    "too large": ("create configmaps", InvalidObjectError("413 too large")),
}


@pytest.mark.parametrize(("action", "error"), REFUSALS.values(), ids=REFUSALS)
def test_a_log_that_is_refused_is_done_without_and_tried_again(
    action: str, error: ThingOperatorError, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        server = IntentServer()
        server.errors[action] = [error, error]
        process = IntentProcess(server, THINGS)
        await process.start()
        assert not any(await record_all(process, "/a"))
        assert not await process.log.record(THINGS[0], intent("/a"))
        assert error.message in process.log.trouble
        await asyncio.sleep(61)
        assert not any(await record_all(process, "/a"))
        await asyncio.sleep(61)
        assert all(await record_all(process, "/a"))
        assert process.log.trouble == ""
        await process.stop()

    run_virtual(scenario())
    assert len([each for each in caplog.records if "not used" in each.message]) == 1


@pytest.mark.parametrize("text", ["garbage", json.dumps({"format": 2})])
def test_while_there_is_a_log_that_cannot_be_read_none_is_used(text: str) -> None:
    async def scenario() -> None:
        server = IntentServer()
        put_log(server, text)
        process = IntentProcess(server, THINGS)
        await process.start()
        assert not any(await record_all(process, "/a"))
        assert "ConfigMap operators/other" in process.log.trouble
        await asyncio.sleep(61)
        assert not any(await record_all(process, "/a"))
        assert list(server.config_maps) == [ObjectKey(HOME, "other")]
        server.config_maps.clear()
        await asyncio.sleep(61)
        assert all(await record_all(process, "/a"))
        await process.stop()

    run_virtual(scenario())


def test_an_outage_is_for_the_queue_to_wait_out() -> None:
    async def scenario() -> None:
        server = IntentServer()
        server.errors["list configmaps"] = [ApiUnavailableError("down")]
        process = IntentProcess(server, THINGS)
        with pytest.raises(ApiUnavailableError):
            await process.start()
        server.errors["create configmaps"] = [ApiUnavailableError("down")]
        assert not await process.log.record(THINGS[0], intent("/a"))
        assert await process.log.record(THINGS[0], intent("/a"))
        await write_statuses(process, "/a")
        server.errors["delete configmaps"] = [ApiUnavailableError("down")]
        await until(lambda: not server.config_maps, "deleted all the same")
        await process.stop()

    run_virtual(scenario())


def test_nothing_is_recorded_while_somebody_else_may_run_the_thing() -> None:
    async def scenario() -> None:
        server = IntentServer()
        process = IntentProcess(server, THINGS)
        await process.start()
        process.runs_uid = lambda _uid: False
        assert not any(await record_all(process, "/a"))
        assert server.writes("configmaps") == 0
        await process.stop()

    run_virtual(scenario())


def test_what_does_not_fit_is_not_taken() -> None:
    async def scenario() -> None:
        process = IntentProcess(IntentServer(), THINGS)
        await process.start()
        many = intent(*(f"/{number:08d}" for number in range(1000)))
        small, large = process.log.record(THINGS[0], intent("/a")), process.log.record(THINGS[1], many)
        assert tuple(await asyncio.gather(small, large)) == (True, False)
        await process.stop()

    run_virtual(scenario())


def test_one_without_a_place_is_never_used() -> None:
    async def scenario() -> None:
        log = no_intent_log(FakeClock())
        await log.start()
        await log.recover(lambda _namespace: True)
        assert not log.is_usable
        assert not await log.record(THINGS[0], intent("/a"))
        assert "intentLogNamespace" in log.trouble
        await log.stop()
        await log.stop()

    run_virtual(scenario())


def test_a_value_never_stands_in_it() -> None:
    """By construction: an intent has pointers, and nothing else of a spec."""
    text = write_log({"uid": intent("/secret")})
    assert set(json.loads(text)) == {"format", "paths", "things"}
    assert encode(["/secret"]) in text.encode()
