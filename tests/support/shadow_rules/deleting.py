"""A shadow that is read or deleted, and the version of one that comes after it."""

from typing import Final

from tests.support.shadow_dialogue import Step, desired, refused, rule

from thing_operator_local.cloud.shadow_topics import ShadowOperation

NO_SHADOW: Final = "No shadow exists with name: "
_GET, _DELETE = ShadowOperation.GET, ShadowOperation.DELETE

DELETING: Final = (
    rule("no shadow to read", "error-codes observed", Step(None, 404, NO_SHADOW, operation=_GET, token=None)),
    rule(
        "no shadow to delete",
        "error-codes observed",
        Step(None, 404, NO_SHADOW, operation=_DELETE, token=None),
    ),
    rule(
        "a deletion ends it, and the version goes on",
        "versions documented",
        desired({"a": 1}),
        Step(None, operation=_DELETE, token=None),
        Step(None, 404, NO_SHADOW, operation=_GET, token=None),
        Step(None, 404, NO_SHADOW, operation=_DELETE, token=None),
        desired({"b": 1}, delta={"b": 1}, state={"desired": {"b": 1}}),
    ),
    rule(
        "the version of a shadow that was deleted",
        "versions assumed",
        desired({"a": 1}),
        Step(None, operation=_DELETE, token=None),
        refused({"state": {"desired": {"a": 2}}, "version": 1}, 409, "Version conflict"),
        refused({"state": {"desired": {"a": 2}}, "version": 2}, 409, "Version conflict"),
        desired({"b": 1}, delta={"b": 1}, state={"desired": {"b": 1}}),
    ),
    rule(
        "get echoes a token",
        "requests documented",
        desired({"a": 1}),
        Step({}, operation=_GET),
        mqtt_only=True,
    ),
    rule(
        "404 echoes a token",
        "error-codes documented",
        Step({}, 404, NO_SHADOW, operation=_GET),
        mqtt_only=True,
    ),
    rule(
        "a token that is too long",
        "error-codes documented",
        Step({"clientToken": "x" * 65}, 400, "Invalid clientToken", operation=_GET, token=None),
        mqtt_only=True,
    ),
    rule(
        "delete echoes a token",
        "answers documented",
        desired({"a": 1}),
        Step({"other": "is ignored", "version": 7}, operation=_DELETE),
        mqtt_only=True,
    ),
    rule(
        "what is no token is ignored",
        "requests documented",
        desired({"a": 1}),
        *(
            Step(body, operation=_GET, token=None)
            for body in (b" ", b"[]", b"7", b"no JSON", b"\xff", b'{"state":{"desired":{"a":2}}}')
        ),
        Step(b"no JSON", operation=_DELETE, token=None),
        mqtt_only=True,
    ),
)
