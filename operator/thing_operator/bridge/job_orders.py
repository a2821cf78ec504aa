"""What the twin's own program says of a job, passed on to the jobs of its Thing."""

from thing_operator.bridge.messages import read_job_update
from thing_operator.bridge.problems import not_its_program, of_job
from thing_operator.core.json_bytes import encode
from thing_operator.jobs.messages import JobStatus
from thing_operator.jobs.orders import JobOrderError
from thing_operator.jobs.ports import JobDesk


async def order(desk: JobDesk | None, job: str, body: bytes) -> bytes:
    """The answer once AWS IoT Jobs has accepted it. Raises BridgeError.

    ``desk`` None: the jobs of this Thing are not its program's to do.
    """
    update = read_job_update(body)
    if desk is None:
        raise not_its_program()
    try:
        await desk.order(
            job, JobStatus(update.status), details=update.details, step_timeout=update.step_timeout_minutes
        )
    except JobOrderError as error:
        raise of_job(error.message, again=not error.is_final) from None
    return encode({"status": update.status})
