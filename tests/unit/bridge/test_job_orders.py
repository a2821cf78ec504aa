"""What a program says of a job, and what becomes of that."""

from collections.abc import Mapping

import pytest

from thing_operator.bridge.job_orders import order
from thing_operator.bridge.problems import BridgeError
from thing_operator.jobs.messages import JobExecution, JobStatus
from thing_operator.jobs.orders import JobOrderError


class RecordingDesk:
    """Takes every order, or raises what it is to raise."""

    current: JobExecution | None = None

    def __init__(self, error: JobOrderError | None = None) -> None:
        self._error = error
        self.orders: list[tuple[str, JobStatus, Mapping[str, str] | None, int | None]] = []

    async def order(
        self,
        job_id: str,
        status: JobStatus,
        *,
        details: Mapping[str, str] | None = None,
        step_timeout: int | None = None,
    ) -> None:
        self.orders.append((job_id, status, details, step_timeout))
        if self._error is not None:
            raise self._error


async def test_an_order_is_passed_on() -> None:
    desk = RecordingDesk()
    body = b'{"status": "IN_PROGRESS", "details": {"step": "1"}, "stepTimeoutMinutes": 2}'
    assert await order(desk, "fw", body) == b'{"status":"IN_PROGRESS"}'
    assert await order(desk, "fw", b'{"status": "SUCCEEDED"}') == b'{"status":"SUCCEEDED"}'
    assert desk.orders == [
        ("fw", JobStatus.IN_PROGRESS, {"step": "1"}, 2),
        ("fw", JobStatus.SUCCEEDED, None, None),
    ]


@pytest.mark.parametrize(
    ("desk", "status"),
    [
        (None, 409),
        (RecordingDesk(JobOrderError("it has ended")), 409),
        (RecordingDesk(JobOrderError("no answer", is_final=False)), 503),
    ],
)
async def test_what_does_not_come_about_is_said(desk: RecordingDesk | None, status: int) -> None:
    with pytest.raises(BridgeError) as caught:
        await order(desk, "fw", b'{"status": "FAILED"}')
    assert caught.value.problem.status == status
    assert ("spec.device.jobs" in caught.value.problem.remedy) == (desk is None)
