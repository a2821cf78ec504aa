"""Medians, ratios and spreads of the bench's comparison."""

import pytest
from tests.bench.comparison.spread import Comparison, Spread, compare


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([3], (3, 3, 3, 3, 3)),
        ([4, 2], (2, 2.5, 3, 3.5, 4)),
        ([5, 1, 3], (1, 2, 3, 4, 5)),
        ([50, 10, 40, 20, 30], (10, 20, 30, 40, 50)),
        ([1, 1, 1, 1, 9], (1, 1, 1, 1, 9)),
        ([0, 0, 0], (0, 0, 0, 0, 0)),
    ],
)
def test_a_spread_is_ends_quartiles_and_median(values: list[float], spread: tuple[float, ...]) -> None:
    assert Spread.of(values) == Spread(*spread)


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])


@pytest.mark.parametrize(
    ("old", "new", "ratio", "pairwise"),
    [
        pytest.param([2], [3], 1.5, (1.5, 1.5, 1.5, 1.5, 1.5), id="one pair"),
        pytest.param(
            [10, 20, 40], [10, 30, 20], 1.0, (0.5, 0.75, 1.0, 1.25, 1.5), id="by pairs, not by rank"
        ),
        pytest.param([10, 100], [20, 200], 2.0, (2, 2, 2, 2, 2), id="a machine that got slower for both"),
        pytest.param([1, 1, 1, 1, 1], [1, 1, 1, 1, 6], 1.0, (1, 1, 1, 1, 6), id="one that stands out"),
        pytest.param([0, 0], [0, 3], None, None, id="no multiple of nothing"),
        pytest.param([0, 0, 4], [1, 1, 2], None, (0.5, 0.5, 0.5, 0.5, 0.5), id="a median of nothing"),
        pytest.param([2, None, 4], [2, 9, None], 1.0, (1, 1, 1, 1, 1), id="half a pair counts for nothing"),
    ],
)
def test_the_ratio_is_of_medians_and_its_spread_of_pairs(
    old: list[float | None],
    new: list[float | None],
    ratio: float | None,
    pairwise: tuple[float, ...] | None,
) -> None:
    found = compare(old, new)
    assert found is not None
    assert found.ratio == ratio
    assert found.pairwise == (None if pairwise is None else Spread(*pairwise))


def test_both_sides_have_the_spread_of_whole_pairs() -> None:
    found = compare([1, 4, None], [2, 6, 100])
    assert found == Comparison(
        old=Spread(1, 1.75, 2.5, 3.25, 4),
        new=Spread(2, 3, 4, 5, 6),
        ratio=1.6,
        pairwise=Spread(1.5, 1.625, 1.75, 1.875, 2),
    )


@pytest.mark.parametrize(("old", "new"), [([], []), ([None], [1]), ([1, None], [None, 1])])
def test_without_a_whole_pair_nothing_is_compared(old: list[float | None], new: list[float | None]) -> None:
    assert compare(old, new) is None


def test_runs_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare([1, 2], [1])
