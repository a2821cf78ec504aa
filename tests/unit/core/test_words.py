"""Numbers and times as commands say them."""

from datetime import timedelta

import pytest

from thing_operator.core.words import age, counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 things"), (1, "1 thing"), (2, "2 things")])
def test_a_number_has_the_right_plural(number: int, words: str) -> None:
    assert counted(number, "thing") == words


def test_a_plural_may_be_named() -> None:
    assert counted(2, "batch", "batches") == "2 batches"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0s"), (12.9, "12s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172800, "2d")],
)
def test_an_age_is_that_of_kubectl(seconds: float, words: str) -> None:
    assert age(timedelta(seconds=seconds)) == words
