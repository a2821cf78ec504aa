"""``spec.device.jobs`` end to end: jobs of the local cloud, the operator between, status and Events."""

import json
from functools import partial
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.errors import LocalError


def execution(control: CloudControl, job: str) -> tuple[str, dict[str, str]]:
    """How the only thing of a job is at it, by AWS's words."""
    (found,) = control.job(job)["executions"]
    return found["status"], found["statusDetails"]


def last_job(workspace: Workspace, thing: CloudThing) -> dict[str, Any]:
    found: dict[str, Any] = workspace.get(thing.name)["status"].get("lastJob", {})
    return found


def has_state(workspace: Workspace, thing: CloudThing, state: str) -> bool:
    return bool(last_job(workspace, thing)["state"] == state)


def job_events(workspace: Workspace, thing: CloudThing) -> list[tuple[str, str]]:
    """Reason and job of each."""
    found = [
        (each["reason"], each["message"].split()[1])
        for each in workspace.list("events")
        if each["involvedObject"]["name"] == thing.name and each["reason"].startswith("Job")
    ]
    return sorted(found)


def begin(workspace: Workspace, thing: CloudThing, **device: Any) -> None:
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"device": device})
    workspace.wait_for(thing.name, "Ready")


def test_a_job_succeeds_and_another_fails(
    workspace: Workspace, things: Things, control: CloudControl
) -> None:
    """With an Event for each step, the last one in status, and nothing of what was to be done."""
    thing = things(1)[0]
    begin(workspace, thing, jobs="Succeed")
    job = f"{thing.name}-one"
    control.create_job(job, {"password": "hidden"}, things=[thing.name])
    eventually(lambda: execution(control, job) == ("SUCCEEDED", {"progress": "100"}), "the job's end")
    eventually(lambda: last_job(workspace, thing).get("state") == "Succeeded", "the status")
    shown = last_job(workspace, thing)
    assert (shown["jobId"], shown["executionNumber"], shown["progress"]) == (job, 1, 100)
    assert shown["queuedTime"] <= shown["startedTime"] <= shown["endedTime"]
    details = [{"name": "reason", "value": "no space"}]
    workspace.patch(thing.name, {"device": {"jobs": "Fail", "jobDetails": details}})
    workspace.wait_for(thing.name, "Ready")
    control.create_job(f"{thing.name}-two", things=[thing.name])
    eventually(lambda: last_job(workspace, thing)["jobId"] == f"{thing.name}-two", "the second one")
    eventually(lambda: last_job(workspace, thing)["state"] == "Failed", "its end")
    assert execution(control, f"{thing.name}-two")[1] == {"progress": "0", "reason": "no space"}
    second = f"{thing.name}-two"
    wanted = [("JobFailed", second), ("JobStarted", job), ("JobStarted", second), ("JobSucceeded", job)]
    eventually(lambda: job_events(workspace, thing) == sorted(wanted), "an Event for each step")
    everything = json.dumps(workspace.get(thing.name)) + workspace.operator.log.read_text()
    assert "hidden" not in everything
    samples = workspace.operator.scrape()
    assert samples["jobs_total", "Succeeded"] == samples["jobs_total", "Failed"] == 1


def test_jobs_are_left_alone_unless_asked_for(
    workspace: Workspace, things: Things, control: CloudControl
) -> None:
    thing = things(1)[0]
    begin(workspace, thing, reported={"a": 1})
    control.create_job(f"{thing.name}-idle", things=[thing.name])
    (session,) = [each for each in control.sessions() if each["clientId"] == thing.name]
    assert not [each for each in session["subscriptions"] if "/jobs/" in each]
    workspace.patch(thing.name, {"device": {"jobs": "Succeed"}})
    eventually(lambda: execution(control, f"{thing.name}-idle")[0] == "SUCCEEDED", "asked for")
    workspace.patch(thing.name, {"device": {"jobs": "Ignore"}})
    eventually(lambda: not last_job(workspace, thing), "no job in status")
    control.create_job(f"{thing.name}-late", things=[thing.name])
    workspace.patch(thing.name, {"desired": {"b": 2}})
    eventually(lambda: workspace.desired(thing) == {"b": 2}, "a later update")
    assert execution(control, f"{thing.name}-late")[0] == "QUEUED"


def test_a_job_outlives_the_operator_and_the_connection(
    workspace: Workspace, things: Things, control: CloudControl
) -> None:
    thing = things(1)[0]
    begin(workspace, thing, jobs="Succeed", jobDuration="20s")
    job = f"{thing.name}-slow"
    control.create_job(job, things=[thing.name])
    eventually(lambda: last_job(workspace, thing).get("state") == "InProgress", "the start in status")
    workspace.operator.stop(grace=0)
    workspace.operator.start()
    eventually(lambda: execution(control, job)[1].get("progress") in {"50", "75", "100"}, "it goes on")
    control.kick(thing.name)
    control.lose_job_answers(1)
    eventually(lambda: execution(control, job)[0] == "SUCCEEDED", "the end")
    eventually(lambda: last_job(workspace, thing)["state"] == "Succeeded", "the end in status")
    wanted = [("JobStarted", job), ("JobSucceeded", job)]
    eventually(lambda: job_events(workspace, thing) == wanted, "once each")


def test_others_end_a_job(workspace: Workspace, things: Things, control: CloudControl) -> None:
    thing = things(1)[0]
    begin(workspace, thing, jobs="Succeed", jobDuration="1h")
    for job, end, state in (
        ("canceled", control.cancel_job, "Canceled"),
        ("deleted", lambda job, **_: control.delete_job(job), "Removed"),
    ):
        control.create_job(f"{thing.name}-{job}", things=[thing.name])
        eventually(lambda: last_job(workspace, thing).get("state") == "InProgress", "its start")
        end(f"{thing.name}-{job}", force=True)
        eventually(partial(has_state, workspace, thing, state), state)


def test_a_job_waits_for_the_twins_program(
    workspace: Workspace, things: Things, control: CloudControl
) -> None:
    """Without a bridge it waits, and status says that it is there."""
    thing = things(1)[0]
    begin(workspace, thing, jobs="Bridge")
    control.create_job(f"{thing.name}-wait", {"token": "hidden"}, things=[thing.name])
    eventually(lambda: last_job(workspace, thing).get("state") == "Queued", "it is seen")
    assert execution(control, f"{thing.name}-wait")[0] == "QUEUED"
    assert "hidden" not in json.dumps(workspace.get(thing.name))
    control.cancel_job(f"{thing.name}-wait")
    eventually(lambda: last_job(workspace, thing)["state"] == "Canceled", "its end")


def test_what_the_api_server_refuses(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    for device, words in (
        ({"jobs": "Sometimes"}, "Unsupported value"),
        ({"jobDuration": "5s"}, "jobDuration goes with jobs: Succeed or Fail"),
        ({"jobs": "Bridge", "jobDetails": [{"name": "a", "value": "b"}]}, "jobDetails goes with jobs"),
        ({"jobs": "Ignore", "jobStepTimeoutMinutes": 5}, "jobStepTimeoutMinutes goes with jobs"),
        ({"jobs": "Fail", "jobStepTimeoutMinutes": 10081}, "less than or equal to 10080"),
        ({"jobs": "Fail", "jobDuration": "25h"}, "at most 24h"),
        ({"jobs": "Fail", "jobDetails": [{"name": "progress", "value": "b"}]}, "choose another name"),
        ({"jobs": "Fail", "jobDetails": [{"name": "a b", "value": "b"}]}, "jobDetails[0].name"),
        ({"jobs": "Fail", "jobDetails": [{"name": "a", "value": "b\n"}]}, "jobDetails[0].value"),
        ({"jobs": "Succeed", "parent": "hub"}, "a networked child has none"),
    ):
        parent = {"parentRef": {"name": device.pop("parent")}} if "parent" in device else {}
        body = workspace.manifest("Thing", thing.name, {"device": device} | parent)
        with pytest.raises(LocalError) as refused:
            workspace.create(body)
        assert words in str(refused.value)
