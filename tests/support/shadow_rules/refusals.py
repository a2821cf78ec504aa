"""What the shadow service refuses, with which code and words, and what is just allowed."""

from typing import Final

from tests.support.shadow_dialogue import Json, desired, refused, reported, rule, update

SIZE: Final = "The payload exceeds the maximum size allowed"


def nested(depth: int) -> Json:
    """So many keys inside each other."""
    value: Json = 1
    for _ in range(depth):
        value = {"k": value}
    return value


def sized(size: int) -> Json:
    """A section of so many bytes as compact JSON."""
    return {"a": "x" * (size - len('{"a":""}'))}


_DEPTH: Final = "JSON contains too many levels of nesting; maximum is 8"

REFUSALS: Final = (
    rule("unparsable", "error-codes documented", refused(b"{", 400, "Invalid JSON", token=None)),
    rule("nothing at all", "error-codes documented", refused(b"", 400, "Invalid JSON", token=None)),
    rule(
        "more after the object",
        "error-codes documented",
        refused(b'{"state":{}} x', 400, "Invalid JSON", token=None),
    ),
    rule(
        "byte order mark",
        "error-codes assumed",
        refused(b'\xef\xbb\xbf{"state":{}}', 400, "Invalid JSON", token=None),
    ),
    rule(
        "no number",
        "error-codes documented",
        refused(b'{"state":{"desired":{"a":NaN}}}', 400, "Invalid JSON", token=None),
    ),
    rule(
        "infinite",
        "error-codes assumed",
        refused(b'{"state":{"desired":{"a":1e999}}}', 400, "Invalid JSON", token=None),
    ),
    rule("top level array", "error-codes assumed", refused(b"[]", 400, "Invalid JSON", token=None)),
    rule("top level scalar", "error-codes assumed", refused(b"1", 400, "Invalid JSON", token=None)),
    rule(
        "not UTF-8",
        "error-codes documented",
        refused(
            b'{"state":{},"x":"\xff"}',
            415,
            "Unsupported documented encoding; supported encoding is UTF-8",
            token=None,
        ),
    ),
    rule("no state", "error-codes observed", refused({}, 400, "Missing required node: state")),
    rule(
        "state is text",
        "error-codes documented",
        refused({"state": "x"}, 400, "State node must be an object"),
    ),
    rule(
        "state is an array",
        "error-codes documented",
        refused({"state": []}, 400, "State node must be an object"),
    ),
    rule(
        "desired is a number",
        "error-codes documented",
        desired(1, code=400, message="Desired node must be an object"),
    ),
    rule(
        "desired is an array",
        "error-codes documented",
        desired([], code=400, message="Desired node must be an object"),
    ),
    rule(
        "reported is text",
        "error-codes documented",
        reported("x", code=400, message="Reported node must be an object"),
    ),
    rule(
        "reported is false",
        "error-codes documented",
        reported(False, code=400, message="Reported node must be an object"),
    ),
    rule(
        "delta in state",
        "requests observed",
        refused({"state": {"delta": {}}}, 400, "State contains an invalid node: 'delta'"),
    ),
    rule(
        "unknown key in state",
        "requests observed",
        refused({"state": {"x": 1}}, 400, "State contains an invalid node: 'x'"),
    ),
    rule(
        "version null", "versions documented", refused({"state": {}, "version": None}, 400, "Invalid version")
    ),
    rule(
        "version text", "versions documented", refused({"state": {}, "version": "1"}, 400, "Invalid version")
    ),
    rule(
        "version boolean",
        "versions documented",
        refused({"state": {}, "version": True}, 400, "Invalid version"),
    ),
    rule(
        "version with a point",
        "error-codes documented",
        refused({"state": {}, "version": 1.5}, 400, "Invalid version"),
    ),
    rule(
        "version of no shadow",
        "versions Greengrass",
        refused({"state": {}, "version": 2}, 400, "Invalid version"),
    ),
    rule(
        "version 1 of no shadow",
        "versions Greengrass",
        update({"state": {}, "version": 1}),
    ),
    rule(
        "version below and above",
        "versions documented",
        desired({"a": 1}),
        desired({"a": 2}),
        desired({"a": 3}),
        refused({"state": {"desired": {"a": 9}}, "version": 0}, 409, "Version conflict"),
        refused({"state": {"desired": {"a": 9}}, "version": 2}, 409, "Version conflict"),
        refused(
            {"state": {"desired": {"a": 9}}, "version": 4},
            409,
            "Version conflict",
            state={"desired": {"a": 3}},
        ),
        update({"state": {"desired": {"a": 4}}, "version": 3}, state={"desired": {"a": 4}}),
    ),
    rule("token of 64 bytes", "limits documented", update({"state": {}, "clientToken": "x" * 64})),
    rule(
        "token of 65 bytes",
        "limits documented",
        refused({"state": {}, "clientToken": "x" * 65}, 400, "Invalid clientToken", token=None),
    ),
    rule(
        "token counts bytes",
        "limits documented",
        update({"state": {}, "clientToken": "ø" * 32}),
        refused({"state": {}, "clientToken": "ø" * 33}, 400, "Invalid clientToken", token=None),
    ),
    rule(
        "token is a number",
        "requests documented",
        refused({"state": {}, "clientToken": 7}, 400, "Invalid clientToken", token=None),
    ),
    rule("depth 8", "limits documented", desired(nested(8), state={"desired": nested(8)})),
    rule("depth 9", "limits documented", desired(nested(9), code=400, message=_DEPTH)),
    rule("depth 9 of reported", "limits documented", reported(nested(9), code=400, message=_DEPTH)),
    rule("depth inside an array", "limits assumed", desired({"l": [nested(8)]}, code=400, message=_DEPTH)),
    rule(
        "null in an array",
        "merge-rules documented",
        desired({"a": [1, None]}, code=400, message="Invalid JSON"),
    ),
    rule(
        "null deep in an array",
        "merge-rules documented",
        desired({"a": [{"b": [[None]]}]}, code=400, message="Invalid JSON"),
    ),
    rule(
        "8 KB exactly",
        "limits documented",
        desired(sized(8192)),
        reported({"b": 1}, code=413, message=SIZE),
        desired(sized(8193), code=413, message=SIZE, state={"desired": sized(8192)}),
    ),
    rule(
        "the merged document counts",
        "limits observed",
        desired(sized(5000)),
        reported(sized(3192)),
        reported({"b": 1}, code=413, message=SIZE),
        desired({"a": None}),
        reported({"b": 1}, state={"reported": sized(3192) | {"b": 1}}),
    ),
    rule(
        "a refusal changes nothing",
        "versions documented",
        desired({"a": 1}),
        refused({"state": 1}, 400, "State node", state={"desired": {"a": 1}}),
    ),
)
