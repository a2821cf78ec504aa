"""What is no message of AWS IoT Jobs, and the topics on which they come."""

import pytest

from thing_operator.core.json_bytes import encode
from thing_operator.jobs.messages import (
    ExecutionKey,
    JobErrorCode,
    JobStatus,
    MalformedJobMessageError,
    decode_notice,
    decode_rejected,
    decode_updated,
)
from thing_operator.jobs.topics import JobAnswer, JobOperation, JobTopics, is_job_id

EXECUTION = {"jobId": "j1", "status": "QUEUED", "versionNumber": 1, "executionNumber": 1}
TOPICS = JobTopics("t1")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (encode({"execution": 1}), "execution is no object"),
        (encode({"execution": EXECUTION | {"jobId": "../shadow"}}), "jobId is none"),
        (encode({"execution": EXECUTION | {"jobId": 1}}), "jobId is none"),
        (encode({"execution": EXECUTION | {"status": "DONE"}}), "status is none that is known"),
        (encode({"execution": EXECUTION | {"versionNumber": True}}), "versionNumber is no number"),
        (encode({"execution": EXECUTION | {"executionNumber": -1}}), "executionNumber is no number"),
    ],
)
def test_what_is_no_message(payload: bytes, why: str) -> None:
    with pytest.raises(MalformedJobMessageError, match=why):
        decode_notice(payload)


def test_what_is_nested_too_deep_is_no_message() -> None:
    """The bridge would have to write it once more for the twin's program."""
    for levels in (32, 400, 1000):
        document = b'{"execution":{"jobDocument":' + b"[" * levels + b"]" * levels + b"}}"
        with pytest.raises(MalformedJobMessageError, match=r"nested deeper than 32 levels|not JSON"):
            decode_notice(document)


def test_a_refusal_has_a_code() -> None:
    with pytest.raises(MalformedJobMessageError, match="code is no text"):
        decode_rejected(b"{}")
    found = decode_rejected(encode({"code": "New", "message": "m" * 2000, "clientToken": 1}))
    assert (found.code, len(found.message), found.token) == (JobErrorCode.OTHER, 1024, None)
    assert decode_updated(b'{"clientToken": "c"}') == "c"


def test_times_are_seconds_or_milliseconds() -> None:
    times = {"queuedAt": 1_790_000_000, "startedAt": 1_790_000_001_999, "approximateSecondsBeforeTimedOut": 9}
    found = decode_notice(encode({"execution": EXECUTION | times, "timestamp": 2**40})).execution
    assert found is not None
    assert (found.queued_at, found.started_at, found.times_out_in) == (1_790_000_000, 1_790_000_001, 9)
    assert (found.key, found.status) == (ExecutionKey("j1", 1), JobStatus.QUEUED)
    assert "document" not in repr(found)


@pytest.mark.parametrize("time", [2**60, -1, "1", True])
def test_a_time_that_is_none_is_left_out(time: object) -> None:
    odd = {"queuedAt": time, "approximateSecondsBeforeTimedOut": -1, "statusDetails": 3}
    found = decode_notice(encode({"execution": EXECUTION | odd})).execution
    assert found is not None
    assert (found.queued_at, found.times_out_in, found.details) == (None, None, {})


def test_ten_details_that_are_texts_are_kept() -> None:
    details = {"odd": 1, "a": "b"} | {f"k{number}": "x" * 2000 for number in range(20)}
    found = decode_notice(encode({"execution": EXECUTION | {"statusDetails": details}})).execution
    assert found is not None
    assert list(found.details) == ["a", *(f"k{number}" for number in range(9))]
    assert len(found.details["k0"]) == 1024


def test_filters_fit_one_subscribe_and_bring_all_answers() -> None:
    exact, wide = TOPICS.filters(wildcard=False), TOPICS.filters(wildcard=True)
    assert (len(exact), len(wide)) == (7, 4)
    assert all(each.startswith("$aws/things/t1/jobs/") for each in (*exact, *wide))


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("notify-next", JobAnswer(JobOperation.NOTIFY_NEXT)),
        ("start-next/accepted", JobAnswer(JobOperation.START_NEXT)),
        ("$next/get/rejected", JobAnswer(JobOperation.DESCRIBE, accepted=False)),
        ("j1/update/accepted", JobAnswer(JobOperation.UPDATE)),
        ("notify", None),
        ("j1/update", None),
        ("start-next/other", None),
    ],
)
def test_what_comes_on_a_topic(topic: str, found: JobAnswer | None) -> None:
    assert TOPICS.read(f"$aws/things/t1/jobs/{topic}") == found
    assert TOPICS.read(f"$aws/things/t2/jobs/{topic}") is None


@pytest.mark.parametrize(
    ("text", "legal"), [("a-b_1", True), ("", False), ("a/b", False), ("+", False), ("x" * 65, False)]
)
def test_ids_of_jobs(text: str, *, legal: bool) -> None:
    assert is_job_id(text) is legal
