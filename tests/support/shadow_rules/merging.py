"""What becomes of the sections of a shadow that is updated."""

from typing import Final

from tests.support.shadow_dialogue import both, desired, reported, rule, update

MERGING: Final = (
    rule(
        "absent is untouched",
        "merge-rules documented",
        desired({"a": 1}),
        desired({"b": 2}, state={"desired": {"a": 1, "b": 2}}),
    ),
    rule(
        "sections are apart",
        "merge-rules documented",
        desired({"a": 1}),
        reported({"a": 2}, state={"desired": {"a": 1}, "reported": {"a": 2}}),
    ),
    rule(
        "objects merge",
        "merge-rules documented",
        desired({"a": {"x": 1, "d": {"e": 1}}}),
        desired(
            {"a": {"y": 2, "d": {"f": 2}}}, state={"desired": {"a": {"x": 1, "y": 2, "d": {"e": 1, "f": 2}}}}
        ),
    ),
    rule(
        "object over scalar",
        "merge-rules observed",
        desired({"a": 1}),
        desired({"a": {"x": 1}}, state={"desired": {"a": {"x": 1}}}, metadata={"desired": {"a": {"x": "t"}}}),
    ),
    rule(
        "{} over scalar",
        "merge-rules observed",
        desired({"a": 1}),
        desired({"a": {}}, state={"desired": {"a": {}}}),
    ),
    rule(
        "scalar over object",
        "merge-rules documented",
        desired({"a": {"x": 1}}),
        desired({"a": "s"}, state={"desired": {"a": "s"}}, metadata={"desired": {"a": "t"}}),
    ),
    rule(
        "array over object",
        "merge-rules documented",
        desired({"a": {"x": 1}}),
        desired({"a": [1, 2]}, state={"desired": {"a": [1, 2]}}, metadata={"desired": {"a": ["t", "t"]}}),
    ),
    rule(
        "{} over nothing shows in the delta",
        "merge-rules observed",
        desired({"a": {}}, delta={"a": {}}, state={"desired": {"a": {}}}),
    ),
    rule(
        "{} over object",
        "merge-rules assumed",
        desired({"a": {"x": 1}}),
        desired({"a": {}}, state={"desired": {"a": {"x": 1}}}),
    ),
    rule(
        "arrays are replaced whole",
        "merge-rules documented",
        desired({"a": [1, {"b": 2}]}),
        desired({"a": [3]}, state={"desired": {"a": [3]}}, metadata={"desired": {"a": ["t"]}}),
    ),
    rule(
        "empty array",
        "merge-rules documented",
        desired({"a": [1]}),
        desired({"a": []}, state={"desired": {"a": []}}, metadata={"desired": {"a": []}}),
    ),
    rule(
        "null removes a key",
        "merge-rules documented",
        desired({"a": 1, "b": 2}),
        desired({"a": None}, delta={"b": 2}, state={"desired": {"b": 2}}, metadata={"desired": {"b": "t"}}),
    ),
    rule(
        "null for an absent key",
        "merge-rules documented",
        desired({"a": 1}),
        desired({"z": None}, state={"desired": {"a": 1}}),
    ),
    rule(
        "null for the last key of an object",
        "merge-rules Greengrass",
        desired({"a": {"x": 1}, "b": 1}),
        desired({"a": {"x": None}}, state={"desired": {"a": {}, "b": 1}}),
    ),
    rule(
        "null for the last key of a section",
        "merge-rules observed",
        both({"a": 1}, {"a": 1}),
        desired({"a": None}, delta=None, state={"reported": {"a": 1}}, metadata={"reported": {"a": "t"}}),
    ),
    rule(
        "null in a new object",
        "merge-rules assumed",
        desired({"a": {"x": None, "y": 1}}, state={"desired": {"a": {"y": 1}}}),
    ),
    rule(
        "desired null",
        "merge-rules documented",
        both({"a": 1}, {"b": 1}),
        desired(None, delta=None, state={"reported": {"b": 1}}),
    ),
    rule(
        "reported null brings the delta back",
        "merge-rules documented",
        both({"a": 1}, {"a": 1}, delta=None),
        reported(None, delta={"a": 1}, state={"desired": {"a": 1}}),
    ),
    rule("null for a section that is not there", "merge-rules documented", desired(None, state={})),
    rule(
        "state {} creates version 1",
        "merge-rules observed",
        update({"state": {}}, delta=None, state={}, metadata={}),
        update({"state": {}}, state={}),
    ),
    rule(
        "desired {} counts",
        "merge-rules observed",
        both({"a": 1}, {"a": 1}),
        desired({}, delta=None, state={"desired": {"a": 1}, "reported": {"a": 1}}),
    ),
    rule(
        "state null creates",
        "merge-rules observed",
        update({"state": None}, state={}, metadata={}),
    ),
    rule(
        "state null clears",
        "merge-rules observed",
        both({"a": 1}, {"b": 1}),
        update({"state": None}, delta=None, state={}, metadata={}),
    ),
    rule(
        "other keys are ignored",
        "requests documented",
        update(
            {"state": {"reported": {"a": 1}}, "timestamp": 1760000000123, "x": {"y": 1}},
            state={"reported": {"a": 1}},
        ),
    ),
    rule(
        "keys of every kind",
        "merge-rules documented",
        desired(
            {"": 1, "a.b": 2, "a/b": 3, "ключ": 4, "~0": 5, "timestamp": 6},
            state={"desired": {"": 1, "a.b": 2, "a/b": 3, "ключ": 4, "~0": 5, "timestamp": 6}},
        ),
    ),
    rule(
        "values of every kind",
        "merge-rules documented",
        reported(
            {"t": True, "f": False, "n": 1.5, "z": 0, "e": "", "big": 2**53 + 1, "u": "ø\u2028😀"},
            state={
                "reported": {
                    "t": True,
                    "f": False,
                    "n": 1.5,
                    "z": 0,
                    "e": "",
                    "big": 2**53 + 1,
                    "u": "ø\u2028😀",
                }
            },
        ),
    ),
    rule(
        "half a character",
        "merge-rules assumed",
        update(b'{"state":{"reported":{"a":"\\ud800"}}}', token=None, state={"reported": {"a": "\ud800"}}),
    ),
    rule(
        "the last of equal keys",
        "requests assumed",
        update(b'{"state":{"desired":{"a":1,"a":2}}}', token=None, state={"desired": {"a": 2}}),
    ),
    rule(
        "metadata of arrays is by element",
        "metadata documented",
        reported({"l": [1, {"z": 2}, [3]]}, metadata={"reported": {"l": ["t", {"z": "t"}, ["t"]]}}),
    ),
)
