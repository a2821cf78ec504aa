"""What is outstanding after an update, and when that is said."""

from typing import Final

from tests.support.shadow_dialogue import both, desired, reported, rule

DELTAS: Final = (
    rule(
        "all that is outstanding",
        "delta documented",
        desired({"a": 1, "b": 2}, delta={"a": 1, "b": 2}),
        desired({"c": 3}, delta={"a": 1, "b": 2, "c": 3}),
    ),
    rule(
        "on a report, too, until all is reported",
        "delta observed",
        desired({"a": 1, "b": {"c": [1], "d": 2}}),
        reported({"a": 1, "b": {"d": 2}}, delta={"b": {"c": [1]}}),
        reported({"b": {"c": [1]}}, delta=None),
    ),
    rule(
        "arrays are carried whole",
        "delta documented",
        both({"l": [1, 2, 3]}, {"l": [1, 2]}, delta={"l": [1, 2, 3]}),
    ),
    rule(
        "order in arrays matters", "delta documented", both({"l": [1, 2]}, {"l": [2, 1]}, delta={"l": [1, 2]})
    ),
    rule(
        "keys only in reported are ignored",
        "delta documented",
        both({"a": 1}, {"a": 1, "b": 2}, delta=None),
    ),
    rule("1 is 1.0", "delta Greengrass", both({"a": 1}, {"a": 1.0}, delta=None)),
    rule("1 is not text", "delta documented", both({"a": 1}, {"a": "1"}, delta={"a": 1})),
    rule(
        "1 is not true",
        "delta documented",
        both({"a": 1, "b": 0}, {"a": True, "b": False}, delta={"a": 1, "b": 0}),
    ),
    rule("object against scalar", "delta documented", both({"a": {"x": 1}}, {"a": 1}, delta={"a": {"x": 1}})),
    rule("scalar against object", "delta documented", both({"a": 1}, {"a": {"x": 1}}, delta={"a": 1})),
    rule("{} against an object", "delta assumed", both({"a": {}}, {"a": {"x": 1}}, delta=None)),
    rule(
        "a key deleted from reported comes back",
        "delta documented",
        both({"a": 1}, {"a": 1}, delta=None),
        reported({"a": None}, delta={"a": 1}),
    ),
    rule(
        "desired is never cleared",
        "delta observed",
        desired({"a": 1}),
        reported({"a": 1}, delta=None, state={"desired": {"a": 1}, "reported": {"a": 1}}),
    ),
    rule("no desired, no delta", "delta documented", reported({"a": 1}, delta=None)),
    rule(
        "the same again is an update",
        "versions observed",
        both({"a": 1}, {"a": 2}, delta={"a": 1}),
        reported({"a": 2}, delta={"a": 1}),
    ),
)
