"""The judge of a run on real parts finds what it is for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.chaos.record import Record, SeenStatus, ShadowDocument
from tests.chaos.rules import Judge
from tests.chaos.stage import NAMESPACE, Stage
from tests.simulation.invariants import Invariant
from tests.simulation.lives import Life, Lives
from tests.support.posts import BROKER_LINK, Post

from thing_operator.core.resource import ObjectKey
from thing_operator_local.cloud.session_log import event_of

Json = dict[str, Any]
THING = "00000001"
TAG = f"{NAMESPACE}/{THING}"


def life(**spec: object) -> Life:
    found = Life(ObjectKey(NAMESPACE, THING), 1, THING, uid="uid-1")
    found.note(1, {"desired": {"k0": f"{TAG}.1#1"}, **spec})
    return found


def judge_of(
    *documents: Json, only: Life | None = None, sessions: list[Json] | None = None, post: Post | None = None
) -> Judge:
    """A judge of a Thing whose shadow was like this, one version after the other, a second each."""
    lives = Lives()
    lives.add(only or life())
    seen = {
        number: ShadowDocument(float(number), number, desired, {})
        for number, desired in enumerate(documents, start=1)
    }
    record = SimpleNamespace(
        documents={THING: seen},
        lives=lives,
        statuses=[],
        strange=[],
        maps=[],
        began={THING: []},
    )
    stage = SimpleNamespace(
        cloud=SimpleNamespace(session_events=lambda: map(event_of, sessions or [])),
        owner=lambda _port, _at: post,
        plane=SimpleNamespace(audit_log=None),
    )
    return Judge(cast("Stage", stage), cast("Record", record))


def rules_of(judge: Judge) -> list[Invariant]:
    judge._judge_documents(THING, list(judge.record.documents[THING].values()))
    judge._judge_sessions()
    for seen in judge.record.statuses:
        judge._judge_status(seen)
    return [each.rule for each in judge.broken]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param([{"k0": f"{TAG}.1#1"}, {"k0": f"{TAG}.1#2"}], [], id="newer after older"),
        pytest.param(
            [{"k0": f"{TAG}.1#2"}, {"k0": f"{TAG}.1#1"}], [Invariant.IN_ORDER], id="older after newer"
        ),
        pytest.param(
            [{"k0": f"{TAG}.1#2"}, {}, {"k0": f"{TAG}.1#1"}], [Invariant.IN_ORDER], id="with a removal"
        ),
        pytest.param(
            [{"k0": f"{TAG}.2#1"}, {"k0": f"{TAG}.1#9"}], [Invariant.IN_ORDER], id="of a deleted object"
        ),
        pytest.param([{"k0": f"{TAG}.1#2"}, {"g": {"k2": f"{TAG}.1#1"}}], [], id="another path"),
        pytest.param([{"f0": 1}, {"f0": 2}], [], id="a foreign key that others change"),
        pytest.param([{"f0": 1}, {}], [Invariant.FOREIGN_KEPT], id="a foreign key is removed"),
        pytest.param([{"f0": 2}, {"f0": 1}], [Invariant.FOREIGN_KEPT], id="a foreign key is set back"),
    ],
)
def test_shadow_documents(documents: list[Json], expected: list[Invariant]) -> None:
    assert rules_of(judge_of(*documents)) == expected


def test_exact_may_remove_foreign_keys() -> None:
    assert rules_of(judge_of({"f0": 1}, {}, only=life(desiredPolicy="Exact"))) == []


@pytest.mark.parametrize(
    ("documents", "shown", "expected"),
    [
        pytest.param([{"k0": f"{TAG}.1#1"}], 1, [], id="accepted"),
        pytest.param([{"k0": f"{TAG}.1#0"}], 1, [Invariant.ACCEPTED], id="not accepted"),
        pytest.param([], 0, [Invariant.ACCEPTED], id="no shadow"),
        pytest.param([{"k0": f"{TAG}.1#0"}], 2, [], id="of a version that was not seen"),
    ],
)
def test_ready_without_acceptance(documents: list[Json], shown: int, expected: list[Invariant]) -> None:
    judge = judge_of(*documents)
    ready = {"type": "Ready", "status": "True", "reason": "Accepted", "observedGeneration": 1}
    (one,) = judge.record.lives.all.values()
    judge.record.statuses.append(SeenStatus(2.0, one, {"conditions": [ready], "shadow": {"version": shown}}))
    assert rules_of(judge) == expected


def session(at: float, event: str, how: str = "") -> Json:
    return {
        "atMicros": int(at * 1e6),
        "client": THING,
        "remote": "127.0.0.1:4000",
        "event": event,
        "how": how,
    }


def post() -> Post:
    return Post(0, None, {}, {}, names=[(0.0, "replica-0")])


def test_a_client_that_comes_back_too_soon() -> None:
    sessions = [session(100, "connected"), session(100.2, "connected"), session(103, "connected")]
    assert rules_of(judge_of(sessions=sessions, post=post())) == [Invariant.PATIENT]


def test_what_a_bad_link_may_have_delayed_counts_for_nothing() -> None:
    bad = post()
    bad.troubles.append((BROKER_LINK, 90.0, 95.0))
    sessions = [session(100, "connected"), session(100.2, "connected")]
    assert rules_of(judge_of(sessions=sessions, post=bad)) == []


def test_a_session_that_is_fought_over() -> None:
    sessions = [session(100 + 10 * number, "ended", "takenOver") for number in range(4)]
    assert rules_of(judge_of(sessions=sessions, post=post())) == [Invariant.ONE_SESSION]


def test_objects_that_are_made_again_may_be_another_replicas() -> None:
    judge = judge_of(
        sessions=[session(100 + 10 * number, "ended", "takenOver") for number in range(4)], post=post()
    )
    judge.record.began[THING].append(110.0)
    assert rules_of(judge) == []


@pytest.mark.parametrize(
    ("holder", "expected"), [("replica-0", []), ("replica-1", [Invariant.FENCED]), ("", [])]
)
def test_who_connects_what_is_another_ones(holder: str, expected: list[Invariant]) -> None:
    judge = judge_of(sessions=[session(100, "connected")], post=post())
    judge.record.maps.append((10.0, (holder,) * 257))
    assert rules_of(judge) == expected


def test_a_key_in_a_text() -> None:
    judge = judge_of()
    judge.judge_text("all is well", ["c2VjcmV0"], "a log")
    judge.judge_text("key c2VjcmV0", ["c2VjcmV0"], "a log")
    judge.judge_text("-----BEGIN PRIVATE KEY-----", [], "a log")
    assert [each.rule for each in judge.broken] == [Invariant.SECRET, Invariant.SECRET]
