"""What is wrong with a spec by itself."""

from typing import Any

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.core.reasons import Reason
from thing_operator.twin.judging import problems_of_spec

NO_OBJECT = {"reported": {"tcxn": 5}}


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        ({}, []),
        ({"desired": {"a": None}}, []),
        ({"desired": {"a": [None]}}, [Reason.INVALID_DESIRED]),
        ({"desired": {"a": "x" * 300}}, [Reason.INVALID_DESIRED]),
        ({"desired": {"a": [None]}, "desiredPolicy": "Observe"}, []),
        ({"device": NO_OBJECT}, [Reason.INVALID_DEVICE]),
        ({"desired": {"a": [None]}, "device": NO_OBJECT}, [Reason.INVALID_DESIRED, Reason.INVALID_DEVICE]),
    ],
)
def test_all_that_is_wrong_is_found_at_once(spec: dict[str, Any], reasons: list[Reason]) -> None:
    found = problems_of_spec(ThingSpec.model_validate(spec), name="t", document_limit=200)
    assert [each.reason for each in found] == reasons
    assert all(each.stalled for each in found)
