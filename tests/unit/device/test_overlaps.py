"""Which paths overlap, however many there are."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.device.overlaps import PathIndex
from thing_operator.shadow.pointers import Path

PATHS = st.lists(st.sampled_from(["a", "b", ""]), max_size=4).map(tuple)


def overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


@given(st.lists(PATHS, max_size=8), PATHS)
def test_one_that_overlaps_is_found_if_there_is_any(paths: Sequence[Path], asked: Path) -> None:
    found = PathIndex(paths).overlapping(asked)
    assert (found is not None) == any(overlap(each, asked) for each in paths)
    assert found is None or (found in paths and overlap(found, asked))
