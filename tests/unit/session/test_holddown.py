"""What repeated drops mean."""

import pytest

from thing_operator.session.holddown import QUICK_SECONDS, HoldDown, Verdict

LOST, FORBIDDEN, TAKEN = Verdict.LOST, Verdict.FORBIDDEN, Verdict.TAKEN_OVER


@pytest.mark.parametrize(
    ("drops", "verdicts"),
    [
        pytest.param([("subscribe", None)] * 4, [LOST, LOST, FORBIDDEN, FORBIDDEN], id="closed at SUBSCRIBE"),
        pytest.param([("update", 5.0)] * 3, [LOST, LOST, FORBIDDEN], id="closed at PUBLISH"),
        pytest.param([("get", None), ("update", 5.0)] * 3, [LOST] * 6, id="different requests"),
        pytest.param([(None, 2.0)] * 4, [LOST, LOST, TAKEN, TAKEN], id="soon after ready"),
        pytest.param([(None, QUICK_SECONDS)] * 9, [LOST] * 9, id="long after ready"),
        pytest.param([(None, None)] * 9, [LOST] * 9, id="never ready"),
        pytest.param(
            [(None, 2.0), (None, 2.0), (None, 900.0), (None, 2.0)], [LOST] * 4, id="a good time in between"
        ),
        pytest.param(
            [("update", 2.0), ("update", 2.0), (None, 2.0), ("update", 2.0)], [LOST] * 4, id="not in a row"
        ),
        pytest.param(
            [(None, 2.0), ("subscribe", None), (None, 0.1), ("get", None), (None, 2.0), ("get", None)],
            [LOST] * 4 + [TAKEN] * 2,
            id="taken over in a handshake too",
        ),
        pytest.param(
            [(None, 2.0), (None, 2.0), ("update", QUICK_SECONDS), (None, 2.0)], [LOST] * 4, id="once for long"
        ),
    ],
)
def test_verdicts(drops: list[tuple[str | None, float | None]], verdicts: list[Verdict]) -> None:
    hold = HoldDown()
    assert [hold.dropped(unanswered=kind, ready_for=up) for kind, up in drops] == verdicts
    assert hold.holding == (verdicts[-1] is not LOST)


def test_an_answer_of_that_kind_clears_it() -> None:
    hold = HoldDown()
    for _ in range(2):
        hold.dropped(unanswered="update", ready_for=1.0)
    hold.answered("get")
    assert hold.dropped(unanswered="update", ready_for=1.0) is FORBIDDEN
    hold.answered("update")
    assert not hold.holding
    assert hold.dropped(unanswered="update", ready_for=1.0) is LOST


def test_reset_forgets_all() -> None:
    hold = HoldDown()
    for _ in range(3):
        hold.dropped(unanswered=None, ready_for=1.0)
    hold.reset()
    assert not hold.holding
    assert hold.dropped(unanswered=None, ready_for=1.0) is LOST
