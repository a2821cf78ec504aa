"""Bodies of reports: what is taken, and what of a wrong one is named."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.bridge.messages import (
    JobUpdate,
    JobWord,
    Report,
    job_of,
    read_job_update,
    read_report,
    shadow_body,
)
from thing_operator.bridge.problems import BridgeError
from thing_operator.jobs.messages import ExecutionKey, JobExecution, JobStatus
from thing_operator.shadow.documents import ShadowDocument


def refusal(body: bytes) -> str:
    with pytest.raises(BridgeError) as caught:
        read_report(body)
    assert caught.value.problem.status == 400
    assert caught.value.problem.remedy
    return caught.value.problem.message


def test_a_report_has_values_and_perhaps_a_time() -> None:
    assert read_report(b'{"reported": {"t": 1.5}}') == Report(reported={"t": 1.5})
    assert read_report(b'{"reported": {"t": null}, "timestamp": 1700000000000}') == Report(
        reported={"t": None}, timestamp=1700000000000
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"reported": {"t": NaN}}', "not JSON"),
        (b'{"reported": {"t": 1, "a": {}, "t": 2}}', 'the key "t" twice in one object'),
        (b'{"reported": {"a": [{"b": 1, "\\u0062": 1}]}}', 'the key "b" twice'),
        (b'{"reported": {"a": 1}, "reported": {"t": 1}}', 'the key "reported" twice'),
        (b'{"reported": {"a\\n": 1, "a\\n": 1}}', 'the key "a\\n" twice'),
        (b'{"reported": {"a": {"t": 1}, "b": [{"t": 1}, {"t": 2}], "b": 1}}', 'the key "b" twice'),
        (b"[]", "the body: an object is expected"),
        (b"{}", "reported: it is missing"),
        (b'{"reported": {}}', "reported"),
        (b'{"reported": [1]}', "reported: an object is expected"),
        (b'{"reported": {"t": 1}, "desired": {}}', "desired: there is no such field"),
        (b'{"reported": {"t": 1}, "timestamp": "now"}', "timestamp: a whole number is expected"),
        (b'{"reported": {"t": 1}, "timestamp": 1.5}', "timestamp"),
        (b'{"reported": {"t": 1}, "timestamp": -1}', "timestamp: it must be greater than or equal to 0"),
        (b'{"reported": {"t": 1}, "timestamp": 5000000000000}', "timestamp"),
        (b'{"reported": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}', "reported/a/b"),
        (b'{"reported": {"a": [null]}}', "reported/a/0"),
        (b'{"reported": {"a": "\\ud800"}}', "reported/a"),
    ],
)
def test_a_wrong_report_is_refused_by_the_name_of_its_field(body: bytes, named: str) -> None:
    assert named in refusal(body)


@pytest.mark.parametrize("levels", [40, 900, 2000])
def test_arrays_in_arrays_end_somewhere(levels: int) -> None:
    deep = b"[" * levels + b"]" * levels
    assert refusal(b'{"reported": {"a": ' + deep + b"}}")
    assert refusal(b'{"reported": {"a": ' + deep + b', "a": 1}}')


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_whatever_comes_is_taken_or_refused(body: bytes) -> None:
    with suppress(BridgeError):
        assert read_report(body).reported


def test_what_becomes_of_a_job() -> None:
    assert read_job_update(b'{"status": "SUCCEEDED"}') == JobUpdate(status=JobWord.SUCCEEDED)
    found = read_job_update(b'{"status": "IN_PROGRESS", "details": {"step": "2"}, "stepTimeoutMinutes": 5}')
    assert (found.details, found.step_timeout_minutes) == ({"step": "2"}, 5)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{}", "status"),
        (b'{"status": "QUEUED"}', "status"),
        (b'{"status": "FAILED", "details": {"a": 1}}', "details"),
        (b'{"status": "FAILED", "stepTimeoutMinutes": 0}', "stepTimeoutMinutes"),
        (b'{"status": "FAILED", "more": 1}', "more"),
    ],
)
def test_a_wrong_word_of_a_job_is_refused_by_its_field(body: bytes, named: str) -> None:
    with pytest.raises(BridgeError) as caught:
        read_job_update(body)
    assert named in caught.value.problem.message


def test_a_job_is_shown_with_what_is_to_be_done() -> None:
    execution = JobExecution(ExecutionKey("fw", 2), JobStatus.QUEUED, 1, document={"url": "x"})
    assert job_of(execution) == {
        "id": "fw",
        "number": 2,
        "status": "QUEUED",
        "details": {},
        "document": {"url": "x"},
    }


def test_a_shadow_is_shown_whole() -> None:
    document = ShadowDocument(
        desired={"a": 1, "b": 2},
        reported={"a": 1},
        reported_metadata={"a": {"timestamp": 1_700_000_000}},
        version=7,
        timestamp=5,
    )
    expected: dict[str, Any] = {
        "version": 7,
        "timestamp": 1_700_000_000,
        "desired": {"a": 1, "b": 2},
        "reported": {"a": 1},
        "delta": {"b": 2},
    }
    assert json.loads(shadow_body(document)) == expected
