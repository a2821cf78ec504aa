"""What is said of a refusal."""

import pytest

from thing_operator_local.cloud.refusals import message_of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"message": "Forbidden", "traceId": "1"}', "Forbidden"),
        ('{"errorCode": "X"}', '{"errorCode": "X"}'),
        ("[1]", "[1]"),
        ("no JSON", "no JSON"),
        ("a" * 500, "a" * 200),
    ],
)
def test_it_is_the_message_or_the_text(text: str, message: str) -> None:
    assert message_of(text) == message
