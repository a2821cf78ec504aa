"""Who a caller is and may do, by the API server's answers: anything but a clear yes is a no."""

from dataclasses import replace
from typing import Any

import pytest

from thing_operator.bridge.reviews import (
    Caller,
    access_review,
    bearer_token,
    caller_in,
    is_allowed,
    token_review,
)
from thing_operator.core.resource import ObjectKey

AUDIENCE = "thing-operator-bridge"
TWIN = Caller(
    name="system:serviceaccount:cold:twin",
    uid="u-1",
    groups=("system:serviceaccounts", "system:authenticated"),
    extra=(("authentication.kubernetes.io/pod-name", ("twin-0",)),),
)


def review(**changes: Any) -> dict[str, Any]:
    user = {
        "username": TWIN.name,
        "uid": TWIN.uid,
        "groups": list(TWIN.groups),
        "extra": {name: list(values) for name, values in TWIN.extra},
    }
    return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": user} | changes}


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc.def", "abc.def"),
        ("bearer  abc", "abc"),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer a b", None),
        ("Bearer a\tb", None),
        ("Bearer \u00e5", None),
        ("Basic YTpi", None),
        ("Bearer " + "a" * 8193, None),
    ],
)
def test_the_token_of_a_header(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("name", "tenant"),
    [
        ("system:serviceaccount:cold:twin", "cold"),
        ("system:serviceaccount:cold:other", "cold"),
        ("jane@example.com", "jane@example.com"),
        ("system:serviceaccounts:cold", "system:serviceaccounts:cold"),
    ],
)
def test_service_accounts_of_a_namespace_are_one_tenant(name: str, tenant: str) -> None:
    assert replace(TWIN, name=name).tenant == tenant


def test_a_token_is_reviewed_for_the_audience() -> None:
    assert token_review("abc", AUDIENCE)["spec"] == {"token": "abc", "audiences": [AUDIENCE]}
    assert caller_in(review(), AUDIENCE) == TWIN


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": {}},
        review(authenticated=False),
        review(authenticated="true"),
        review(audiences=[]),
        review(audiences=None),
        review(audiences=["https://kubernetes.default.svc"]),
        review(user={}),
        review(user=None),
        review(user="u"),
        review(user={"username": 7}),
        review(audiences=AUDIENCE),
        {"status": [1]},
    ],
)
def test_whatever_is_no_clear_yes_is_nobody(answer: dict[str, Any]) -> None:
    assert caller_in(answer, AUDIENCE) is None


def test_access_is_asked_for_the_thing_and_with_all_that_the_caller_is() -> None:
    spec = access_review(TWIN, ObjectKey("cold", "freezer-1"), "update")["spec"]
    assert spec["user"] == TWIN.name
    assert spec["groups"] == list(TWIN.groups)
    assert spec["extra"] == {"authentication.kubernetes.io/pod-name": ["twin-0"]}
    assert spec["resourceAttributes"] == {
        "group": "thing-operator.io",
        "resource": "things",
        "subresource": "bridge",
        "namespace": "cold",
        "name": "freezer-1",
        "verb": "update",
    }


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ({"allowed": True}, True),
        ({"allowed": False}, False),
        ({"allowed": "true"}, False),
        ({}, False),
        (None, False),
        ("allowed", False),
    ],
)
def test_only_yes_is_yes(status: Any, allowed: bool) -> None:
    assert is_allowed({"status": status}) is allowed
