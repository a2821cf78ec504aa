"""Which part of what a device reports is shown in status."""

from typing import Any

import pytest

from thing_operator.api.thing import MirrorSpec
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.twin.mirrored import MIRROR_LIMIT, is_truncated
from thing_operator.twin.status import PENDING_LIMIT, POINTER_LIMIT, shadow_status

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


LARGE = {"log": "x" * 100 * MIRROR_LIMIT}


@pytest.mark.parametrize(
    ("desired", "reported", "mirror", "leaves_out"),
    [
        ({}, LARGE, {}, True),
        (LARGE, {}, {}, True),
        (LARGE, LARGE | {"n": 1}, {}, True),
        ({}, LARGE | {"n": 1}, {"reported": "Paths", "paths": ["/n"]}, False),
        ({}, LARGE, {"reported": "None"}, False),
        ({}, {"log": "x" * (MIRROR_LIMIT - 10)}, {}, False),
    ],
)
def test_what_is_too_large_is_left_out_of_the_status(
    desired: dict[str, Any], reported: dict[str, Any], mirror: dict[str, Any], leaves_out: bool
) -> None:
    document = ShadowDocument(desired=desired, reported=reported, version=1)
    spec = MirrorSpec.model_validate(mirror)
    status = shadow_status(document, spec)
    assert status is not None
    assert is_truncated(document, spec) is leaves_out
    assert len(status.model_dump_json()) < 2 * MIRROR_LIMIT
    if not leaves_out and mirror.get("reported") != "None":
        assert status.reported
    assert status.bytes == document.size


def test_long_names_of_what_is_pending_are_left_out_of_the_status_too() -> None:
    desired = {"k" * 10_000 + str(number): number for number in range(200)} | {"a": 1}
    status = shadow_status(ShadowDocument(desired=desired, reported={}, version=1), None)
    assert status is not None
    assert status.pending_count == 201
    assert len("".join(status.pending or ())) <= PENDING_LIMIT * POINTER_LIMIT
    assert status.pending == ("/a",)
