"""What a shadow document says of itself."""

from typing import Any

import pytest

from thing_operator.shadow.documents import ShadowDocument


def document(desired: Any, metadata: Any, **reported: Any) -> ShadowDocument:
    return ShadowDocument(
        desired=desired,
        reported=reported,
        desired_metadata=metadata,
        reported_metadata={},
        version=1,
        timestamp=0,
    )


@pytest.mark.parametrize(
    ("desired", "metadata", "since"),
    [
        ({"a": 1, "b": 2}, {"a": {"timestamp": 5}, "b": {"timestamp": 3}}, 3),
        ({"a": [1, 2]}, {"a": [{"timestamp": 9}, {"timestamp": 7}]}, 7),
        ({"a": 1, "b": 2}, {"b": {"timestamp": 3}}, 3),
        ({"a": {"timestamp": 1}}, {"a": {"timestamp": {"timestamp": 4}}}, 4),
        ({"a": 1}, {"a": "no metadata"}, None),
        ({"a": 1}, {}, None),
    ],
    ids=["the oldest", "in an array", "one without", "a key named timestamp", "malformed", "none"],
)
def test_pending_since_the_oldest_pending_value_was_desired(
    desired: Any, metadata: Any, since: int | None
) -> None:
    assert document(desired, metadata).pending_since == since


def test_what_is_reported_as_desired_does_not_pend() -> None:
    found = document({"a": 1, "b": 2}, {"a": {"timestamp": 5}, "b": {"timestamp": 3}}, b=2)
    assert found.pending == ("/a",)
    assert found.pending_since == 5
