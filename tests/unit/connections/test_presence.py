"""A Thing that reports whether it is online."""

import json

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.connections.presence import has_presence, offline_will


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"device": {}}, False),
        ({"device": {"connectionStatus": False}}, False),
        ({"device": {"connectionStatus": True}}, True),
    ],
)
def test_only_who_asks_for_it_has_it(spec: dict[str, object], *, expected: bool) -> None:
    assert has_presence(ThingSpec.model_validate(spec)) is expected


def test_the_will_goes_where_mic_listens_and_reports_offline() -> None:
    will = offline_will("00000041")
    assert will.topic == "tcxn/things/00000041/shadow/update"
    assert json.loads(will.payload) == {"state": {"reported": {"tcxn": {"connection_status": 0}}}}
