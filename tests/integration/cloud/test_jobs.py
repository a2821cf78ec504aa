"""Jobs of the local cloud: a device over MQTT, a person on the command line, and what outlives a restart."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.devices import WITHIN, Device

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.toolchain import Reporter

COMMAND = [sys.executable, "-m", "thing_operator", "cloud", "jobs"]


def run(cloud: LocalCloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments, "--dir", str(cloud.folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class JobDevice:
    """A device that speaks of its jobs."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.jobs = f"$aws/things/{device.name}/jobs"
        answers = (
            f"{each}/{word}" for each in ("start-next", "+/update") for word in ("accepted", "rejected")
        )
        assert (
            device.subscribe(f"{self.jobs}/notify-next", *(f"{self.jobs}/{each}" for each in answers))
            == [1] * 5
        )

    def next(self) -> tuple[str, Any]:
        while True:
            topic, payload = self.device.messages.get(timeout=WITHIN)
            if topic.startswith(self.jobs):
                return topic.removeprefix(f"{self.jobs}/"), json.loads(payload)

    def start(self) -> Any:
        self.device.publish(f"{self.jobs}/start-next", {})
        topic, body = self.next()
        assert topic == "start-next/accepted"
        return body["execution"]


def test_a_person_makes_a_job_and_sees_what_the_device_makes_of_it(cloud: LocalCloud, device: Device) -> None:
    speaker, job = JobDevice(device), f"{device.name}-reboot"
    made = run(cloud, "create", job, "operation=reboot", "--thing", device.name)
    assert made.stdout == f"{job}: queued for 1 thing\n"
    topic, body = speaker.next()
    assert (topic, body["execution"]["jobDocument"]) == ("notify-next", {"operation": "reboot"})
    assert speaker.start()["jobId"] == job
    details = {"progress": "50", "step": "unmount"}
    device.publish(f"{speaker.jobs}/{job}/update", {"status": "IN_PROGRESS", "statusDetails": details})
    assert speaker.next()[0] == f"{job}/update/accepted"
    shown = run(cloud, "describe", job).stdout.splitlines()
    assert shown[1].split() == [device.name, "IN_PROGRESS", "50", "%", "step=unmount"]
    assert run(cloud, "cancel", job).stdout == f"{job}: canceled for 0 things\n"
    assert run(cloud, "cancel", job, "--force").stdout == f"{job}: canceled for 1 thing\n"
    assert speaker.next() == ("notify-next", {"timestamp": speaker_time(cloud, job)})
    device.publish(f"{speaker.jobs}/{job}/update", {"status": "SUCCEEDED"})
    topic, body = speaker.next()
    assert (topic, body["executionState"]["status"]) == (f"{job}/update/rejected", "CANCELED")
    assert [line.split() for line in run(cloud, "list").stdout.splitlines() if line.startswith(job)] == [
        [job, "CANCELED", "1", "CANCELED"]
    ]
    assert run(cloud, "delete", job).stdout == f"{job}: deleted\n"


def speaker_time(cloud: LocalCloud, job: str) -> int:
    found = json.loads(run(cloud, "describe", job, "--output", "json").stdout)
    return int(found["executions"][0]["lastUpdatedAt"])


def test_what_is_no_job_is_refused_in_words(cloud: LocalCloud) -> None:
    for arguments, words in (
        (("create", "no.id"), "is no job id"),
        (("create", "j", "--thing", "nobody"), "there is no thing nobody"),
        (("describe", "none"), "There is no job none"),
        (("cancel", "none"), "There is no job none"),
    ):
        done = run(cloud, *arguments)
        assert (done.returncode, words in done.stderr) == (1, True), done


def test_a_lost_answer_is_carried_out(cloud: LocalCloud, control: CloudControl, device: Device) -> None:
    speaker, job = JobDevice(device), f"{device.name}-lost"
    control.create_job(job, things=[device.name])
    speaker.next()
    speaker.start()
    control.lose_job_answers(1)
    for _ in range(2):
        device.publish_and_wait(f"{speaker.jobs}/{job}/update", {"status": "FAILED", "expectedVersion": 2})
    assert [speaker.next()[0] for _ in range(2)] == ["notify-next", f"{job}/update/rejected"]
    assert control.job(job)["executions"][0]["status"] == "FAILED"


def test_jobs_outlive_a_restart(tmp_path: Path, reporter: Reporter) -> None:
    with LocalCloud(tmp_path, reporter=reporter) as cloud:
        control = CloudControl(tmp_path)
        (name,) = cloud.things(cloud.create_batch(1, key_type="ec"))
        control.create_job("j1", {"a": 1}, timeout_minutes=5)
        cloud.restart()
        found = control.job("j1")
        assert (found["document"], found["executions"][0]["thingName"]) == ({"a": 1}, name)
        assert control.jobs() == [{"jobId": "j1", "status": "IN_PROGRESS", "executions": {"QUEUED": 1}}]
