"""Why a Thing cannot be spoken for, in the Thing's own words."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from thing_operator.bridge.desk import Desk
from thing_operator.bridge.problems import BridgeError
from thing_operator.core.resource import ObjectKey
from thing_operator.sharding.duties import Duty

KEY = ObjectKey("plant", "freezer-1")


def reason_of(published: tuple[tuple[str, str, str], ...] | None) -> str:
    """What a Thing without a session and with these conditions is answered with."""
    slot = SimpleNamespace(writable=None, credentials_problem=None, session=None)
    thing = SimpleNamespace(connection=slot, published=published)
    registry = SimpleNamespace(find=lambda _: (SimpleNamespace(uid="1"), thing))
    duties = SimpleNamespace(of_thing=lambda *_: Duty.RUN)
    with pytest.raises(BridgeError) as caught:
        Desk(cast("Any", registry), cast("Any", duties)).session(KEY)
    return caught.value.problem.reason


@pytest.mark.parametrize(
    ("connected", "ready", "reason"),
    [
        ("Pending", "DuplicateThing", "DuplicateThing"),
        ("Pending", "ParentMissing", "ParentMissing"),
        ("Suspended", "Accepted", "Suspended"),
        ("Suspended", "InvalidDesired", "Suspended"),
        ("Pending", "Pending", "Pending"),
    ],
)
def test_the_reason_is_the_one_that_says_what_is_missing(connected: str, ready: str, reason: str) -> None:
    status = "True" if ready == "Accepted" else "False"
    assert reason_of((("Connected", "False", connected), ("Ready", status, ready))) == reason


def test_before_anything_is_said_of_a_thing_it_is_not_seen() -> None:
    assert reason_of(None) == "NotSeen"
