"""When the credentials of a session may be judged otherwise by now."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.reasons import Reason
from thing_operator.twin.problem import Problem

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def valid_until(end: datetime) -> Any:
    return SimpleNamespace(not_after=end)


@pytest.mark.parametrize(
    ("problem", "credentials", "read_since", "outdated"),
    [
        pytest.param(None, valid_until(NOW + MINUTE), 600 * MINUTE, False, id="all is well"),
        pytest.param(None, valid_until(NOW), MINUTE, True, id="the certificate has ended"),
        pytest.param(
            Problem(Reason.FORBIDDEN, "", stalled=True), None, MINUTE, True, id="a right is missing"
        ),
        pytest.param(
            Problem(Reason.EXPIRED, "", stalled=True, ends_at=NOW),
            None,
            MINUTE,
            True,
            id="what is wrong ends now",
        ),
        pytest.param(
            Problem(Reason.EXPIRED, "", stalled=True, ends_at=NOW + MINUTE),
            None,
            MINUTE,
            False,
            id="or later",
        ),
        pytest.param(Problem(Reason.KEY_MISMATCH, "", stalled=True), None, MINUTE, False, id="just read"),
        pytest.param(
            Problem(Reason.KEY_MISMATCH, "", stalled=True), None, 6 * MINUTE, True, id="read long ago"
        ),
    ],
)
def test_credentials_are_outdated(
    problem: Problem | None, credentials: Any, read_since: timedelta, outdated: bool
) -> None:
    session: Any = SimpleNamespace(view=SimpleNamespace(connected=True))
    slot = SessionSlot(session=session, credentials=credentials, credentials_problem=problem)
    assert slot.is_outdated(now=NOW, read_since=read_since) is outdated
