"""``key=value`` on the command line becomes what a device reports."""

import pytest

from thing_operator_local.cli.assignments import values_of
from thing_operator_local.errors import LocalError


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["setpoint=-22"], {"setpoint": -22}),
        (["a=1.5", "b=true", "c=null"], {"a": 1.5, "b": True, "c": None}),
        (
            ["door=closed", "id=007", "empty=", "text=NaN"],
            {"door": "closed", "id": "007", "empty": "", "text": "NaN"},
        ),
        (["limits.min=-25", "limits.max=-15"], {"limits": {"min": -25, "max": -15}}),
        (['list=[1, "a"]', 'quoted="1"', "url=a=b"], {"list": [1, "a"], "quoted": "1", "url": "a=b"}),
    ],
)
def test_values_are_json_or_text(words: list[str], reported: object) -> None:
    assert values_of(words) == reported


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["setpoint"], "'setpoint' is no assignment"),
        (["=1"], "is no assignment"),
        (["a..b=1"], "is no assignment"),
        (["a=1", "a.b=2"], "a has a value already"),
        (["a.b=1", "a=2"], "a is given twice"),
    ],
)
def test_a_word_that_cannot_be_reported_is_named(words: list[str], named: str) -> None:
    with pytest.raises(LocalError, match=named):
        values_of(words)
