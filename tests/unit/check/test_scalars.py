"""Unquoted scalars, as kubectl reads them (tests/integration/test_check.py asks it)."""

import math

import pytest
from tests.support.yaml_words import WORDS

from thing_operator.check.scalars import doubt, read_scalar


@pytest.mark.parametrize(("text", "value"), WORDS.items(), ids=repr)
def test_a_scalar_has_the_value_that_kubectl_gives_it(text: str, value: object) -> None:
    found = read_scalar(text)
    assert (found, type(found) is bool) == (value, type(value) is bool)


def test_what_is_not_finite_is_a_number_that_json_does_not_know() -> None:
    assert read_scalar("-.INF") == -math.inf
    assert math.isnan(read_scalar(".NaN"))
    assert doubt(".inf") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("off", 'off is read as false: write false, or "off" for a text'),
        ("Y", 'Y is read as true: write true, or "Y" for a text'),
        ("1.10", 'the number 1.1: write 1.1, or "1.10" for a text'),
        ("010", 'the number 8: write 8, or "010" for a text'),
        ("00001721", "the number 977: "),
        ("0x1F", "the number 31: "),
        ("1_000", "the number 1000: "),
        ("+5", "the number 5: "),
        ("5.", "the number 5: "),
        (".5", "the number 0.5: "),
        ("123456789012345678901234567890", "the number 1.2345678901234568e+29: "),
    ],
)
def test_a_scalar_that_may_mean_something_else_is_named(text: str, words: str) -> None:
    found = doubt(text)
    assert found is not None
    assert words in found.words()
    assert found.words(text_only=True).endswith(f': write "{text}"')


@pytest.mark.parametrize(
    "text",
    ["true", "False", "-18", "0", "1.5", "1.0", "-0.25", "1e3", "auto", "12:30", "2026-01-01", "", "~"],
)
def test_what_looks_like_what_it_is_stands(text: str) -> None:
    assert doubt(text) is None
