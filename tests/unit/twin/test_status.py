"""Which part of what a device reports is shown in status."""

from typing import Any

import pytest

from thing_operator.api.thing import MirrorSpec
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.twin.status import shadow_status

REPORTED = {"temperature": 4.5, "door": {"open": True, "count": 3}}


@pytest.mark.parametrize(
    ("mirror", "shown"),
    [
        (None, REPORTED),
        ({"reported": "All"}, REPORTED),
        ({"reported": "None"}, None),
        ({"reported": "Paths", "paths": ["/door/open"]}, {"door": {"open": True}}),
        (
            {"reported": "Paths", "paths": ["/door/open", "/missing", "/door/missing"]},
            {"door": {"open": True}},
        ),
        ({"reported": "Paths", "paths": ["/missing"]}, None),
        ({"reported": "Paths"}, None),
    ],
)
def test_the_mirror_shows_what_spec_mirror_asks_for(mirror: dict[str, Any] | None, shown: Any) -> None:
    document = ShadowDocument(desired={}, reported=REPORTED, version=1)
    spec = None if mirror is None else MirrorSpec.model_validate(mirror)
    status = shadow_status(document, spec)
    assert status is not None
    assert status.reported == shown
