"""What a broker delivers on the topics of a thing's jobs: some messages in a row, to the state machine of them."""

import itertools
import json
from datetime import timedelta
from typing import Any, Final

from tests.fuzz.dice import Dice, as_json, changed
from tests.fuzz.judging import check_message

from thing_operator.api.jobs import JobHandling
from thing_operator.bridge.messages import job_of
from thing_operator.core.json_bytes import encode
from thing_operator.jobs.agent import JobsAgent
from thing_operator.jobs.messages import JobStatus, MalformedJobMessageError
from thing_operator.jobs.orders import JobOrder, JobOrderError
from thing_operator.jobs.program import JobsProgram
from thing_operator.jobs.topics import JobTopics

_TOPICS: Final = JobTopics("t1")
_SECRET: Final = "the-password-in-the-job-document"
_EXECUTION: Final[dict[str, Any]] = {
    "jobId": "j1",
    "thingName": "t1",
    "status": "QUEUED",
    "statusDetails": {"progress": "25"},
    "queuedAt": 1_790_000_000,
    "startedAt": 1_790_000_001,
    "versionNumber": 2,
    "executionNumber": 1,
    "approximateSecondsBeforeTimedOut": 60,
    "jobDocument": {"do": {"what": _SECRET}},
}
_MESSAGES: Final[tuple[dict[str, Any], ...]] = (
    {"execution": _EXECUTION, "timestamp": 1_790_000_002, "clientToken": "c0"},
    {
        "execution": _EXECUTION | {"status": "IN_PROGRESS"},
        "timestamp": 1_790_000_002_000,
        "clientToken": "c1",
    },
    {"timestamp": 1_790_000_002, "clientToken": "c0"},
    {
        "code": "VersionMismatch",
        "message": "expected another version",
        "clientToken": "c1",
        "executionState": {"status": "IN_PROGRESS", "versionNumber": 3, "statusDetails": {}},
    },
)
_NAMES: Final = (
    "notify-next",
    "start-next/accepted",
    "start-next/rejected",
    "j1/get/accepted",
    "$next/get/accepted",
    "j1/get/rejected",
    "j1/update/accepted",
    "j1/update/rejected",
    "../update/rejected",
)
_PROGRAMS: Final = (
    JobsProgram(handling=JobHandling.SUCCEED),
    JobsProgram(handling=JobHandling.FAIL, details={"reason": "no space"}, duration=timedelta(seconds=8)),
    JobsProgram(handling=JobHandling.BRIDGE),
    JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(days=400), step_timeout=5),
)
_ORDER: Final = JobOrder(
    "j1", JobStatus.IN_PROGRESS, details={"a": "b"}, step_timeout=None, answer=lambda _error: None
)

_RAW: Final = 1
SEEDS: Final = [
    *(
        bytes([program, 5, *(step for name in (0, 1, 6) for step in (0, 0, name, 0, 0, 0))])
        for program in range(4)
    ),
    *(bytes([0, 0, 0, _RAW, name]) + json.dumps(each).encode() for name in range(3) for each in _MESSAGES),
]


def one_input(data: bytes) -> None:
    """Whatever comes: used or malformed; what is asked for is JSON, and the job document is in none of it."""
    dice = Dice(data)
    tokens = (f"c{number}" for number in itertools.count())
    agent = JobsAgent(_TOPICS, tokens=tokens, timeout=10, pause=lambda failures: 2.0**failures, record=None)
    agent.follow(dice.pick(_PROGRAMS))
    agent.connected()
    now = 1_790_000_000.0
    for _ in range(dice.number(8) + 1):
        now += dice.pick((0, 1, 11, 4000))
        is_raw, name = dice.number(4) == _RAW, dice.pick(_NAMES)
        payload = dice.rest() if is_raw else as_json(dice, changed(dice, dice.pick(_MESSAGES)))
        _one_step(agent, f"{_TOPICS.prefix}/{name}", payload, now)


def _one_step(agent: JobsAgent, topic: str, payload: bytes, now: float) -> None:
    try:
        agent.receive(topic, payload, now)
        agent.order(_ORDER)
    except MalformedJobMessageError as error:
        check_message(str(error), secrets=payload)
    except JobOrderError as error:
        check_message(error.message, secrets=payload)
    for _ in range(8):
        request = agent.next_request(now)
        if request is None:
            break
        json.loads(request.payload)
        assert _SECRET.encode() not in request.payload
    else:
        raise AssertionError("it asks without end")
    due = agent.due(now)
    assert due is None or due >= now
    assert _SECRET not in repr(agent.record)
    assert _SECRET not in repr(agent.current)
    if agent.current is not None:
        json.loads(encode(job_of(agent.current)))
