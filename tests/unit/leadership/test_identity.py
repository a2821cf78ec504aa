"""Who holds a Lease, and whether that has ended for certain."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from thing_operator.leadership.identity import HolderIdentity, own_identity, process_runs

ME = HolderIdentity("host", "1f2e3d4c", "10-500")


@pytest.mark.parametrize(
    ("holder", "ended"),
    [
        ("host_1f2e3d4c_9-400", True),  # that process is not there any more
        ("host_1f2e3d4c_11-600", False),  # that one is
        ("host_1f2e3d4c_10-500", False),  # this one itself
        ("other_1f2e3d4c_9-400", False),
        ("host_aaaaaaaa_9-400", False),  # another machine of that name
        ("my_host_1f2e3d4c_9-400", False),
        ("somebody", False),
        ("", False),
        ("__", False),
    ],
)
def test_a_process_of_this_machine_that_is_not_there_has_ended(holder: str, *, ended: bool) -> None:
    assert ME.outlives(holder, runs=lambda process: process == "11-600") is ended


def test_a_container_of_the_same_pod_has_ended_before_the_next_one_starts() -> None:
    me = HolderIdentity("thing-operator-5d6f7-abcde", "pod", "1-900")
    assert me.outlives("thing-operator-5d6f7-abcde_pod_1-400", runs=lambda _process: True)
    assert not me.outlives("thing-operator-5d6f7-xyzzy_pod_1-400", runs=lambda _process: False)
    assert not me.outlives(str(me), runs=lambda _process: False)


def test_it_is_read_as_it_is_written() -> None:
    assert HolderIdentity.parse(str(ME)) == ME
    name = HolderIdentity("a_b_c", "pod", "1-2")
    assert HolderIdentity.parse(str(name)) == name


def test_this_process_runs_and_one_that_has_ended_does_not() -> None:
    me = own_identity()
    assert process_runs(me.process)
    assert me.host == os.uname().nodename
    assert me.place == own_identity("laptop").place
    pid, _, start = me.process.partition("-")
    assert not process_runs(f"{pid}-{int(start) + 1}")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        text = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
        begun = text.rpartition(")")[2].split()[19]
        assert process_runs(f"{child.pid}-{begun}")
        child.kill()
    assert not process_runs(f"{child.pid}-{begun}")


def test_what_is_no_process_of_ours_is_not_taken_for_ended() -> None:
    assert process_runs("elsewhere")


def test_in_a_pod_the_place_is_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert own_identity("a").place == "pod"


def test_without_proc_every_process_is_in_a_place_of_its_own(tmp_path: Path) -> None:
    one, two = own_identity("a", proc=tmp_path), own_identity("a", proc=tmp_path)
    assert one.place != two.place
    assert one.process != two.process
