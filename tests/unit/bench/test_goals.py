"""Figures of replicas beside what they are to be."""

import pytest
from tests.bench.goals import BEFORE, GOALS, rows, with_ratios
from tests.bench.replicas import PHASES


@pytest.mark.parametrize(
    ("value", "goal"), [(4.0, "<= 4: met"), (4.1, "<= 4: NOT MET"), (None, "<= 4: NOT MET")]
)
def test_a_figure_with_a_goal_says_whether_it_is_met(value: float | None, goal: str) -> None:
    assert [row[2] for row in rows({"restart_first_s": value, "things": 7.0})] == [goal, ""]


def test_the_longest_gap_of_an_upgrade_is_a_part_of_the_one_before() -> None:
    before = {f"{BEFORE}upgrade_gap_s_max": 8.0}
    found = with_ratios(before | {"upgrade_gap_s_max": 0.4, "alone_gap_s_max": None})
    assert found["upgrade_gap_s_max_to_one_replica_before"] == pytest.approx(0.05)
    assert "alone_gap_s_max_to_one_replica_before" not in found
    assert with_ratios({"upgrade_gap_s_max": 0.4}) == {"upgrade_gap_s_max": 0.4}


def test_each_goal_is_of_a_phase() -> None:
    assert {name.partition("_")[0] for name in GOALS} <= set(PHASES)
