"""``thing-operator cloud run`` when something is in the way, and that nothing of it is left behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.processtable import children, members

from thing_operator_local.cloud.client import LocalCloud, MicSession
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess, wait_until
from thing_operator_local.toolchain import Reporter


def run_command(folder: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "thing_operator", "cloud", "run", "--dir", str(folder), *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env}
    )


@pytest.mark.parametrize("option", ["--mqtt-port", "--http-port"])
def test_port_in_use(tmp_path: Path, option: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        done = run_command(tmp_path, option, str(port))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert option in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cloud.json").exists()


def test_folder_in_use(cloud: LocalCloud) -> None:
    folder = cloud.info.ca.parent.parent
    done = run_command(folder)
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert "--dir" in done.stderr
    assert CloudLayout(folder).info.exists(), "the running one is not disturbed"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run_command(file / "cloud")
    assert done.returncode == 1
    assert "--dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_go_and_no_network(tmp_path: Path) -> None:
    """The broker has to be built, there is no Go, and pip reaches no index."""
    done = run_command(
        tmp_path / "cloud",
        THING_OPERATOR_CACHE_DIR=str(tmp_path / "cache"),
        PATH="/nonexistent",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path),
    )
    assert done.returncode == 1
    assert "Install Go" in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "cloud.sqlite").write_bytes(b"this is no database" * 100)
    done = run_command(tmp_path)
    assert done.returncode == 1
    assert "cloud.sqlite" in done.stderr
    assert "Traceback" not in done.stderr


def _drawn(cloud: LocalCloud) -> tuple[object, ...]:
    """What is random and shows: secrets, the id and the names of a batch."""
    info = cloud.info
    session = MicSession(info)
    batch = session.order_batch(2, thing_type="freezer", domain="root", key_type="ec")
    names = sorted(cloud.things(session.wait_for_batch(batch)))
    return info.api_key, info.password, batch, names


def test_seed_makes_secrets_ids_and_names_the_same(tmp_path: Path, reporter: Reporter) -> None:
    drawn = []
    for folder, seed in (("one", 7), ("two", 7), ("three", 8)):
        with LocalCloud(tmp_path / folder, reporter=reporter, seed=seed) as cloud:
            drawn.append(_drawn(cloud))
    one, two, three = drawn
    assert one == two
    assert not set(one[:3]) & set(three[:3])
    with LocalCloud(tmp_path / "one", reporter=reporter) as cloud:
        again = _drawn(cloud)
    assert again[:2] == one[:2], "a begun folder keeps its secrets"
    assert again[2] != one[2], "a second run orders other batches"


def test_seed_other_than_the_folders(tmp_path: Path, reporter: Reporter) -> None:
    with LocalCloud(tmp_path, reporter=reporter):
        pass
    done = run_command(tmp_path, "--seed", "7")
    assert done.returncode == 1
    assert "begun without a seed" in done.stderr
    assert "Traceback" not in done.stderr


def _start(folder: Path) -> ChildProcess:
    command = [sys.executable, "-m", "thing_operator", "cloud", "run", "--dir", str(folder)]
    process = ChildProcess(command, name="cloud", log=folder / "cloud.log")
    info = CloudLayout(folder).info
    wait_until(info.is_file, what="the cloud", timeout=60, processes=[process])
    return process


def _groups_below(process: ChildProcess) -> set[int]:
    """The process groups of what the cloud started: our guard starts it, it starts the broker's guard."""
    (cloud,) = children(process.pid)
    return {cloud, *children(cloud)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = _start(tmp_path)
    groups = _groups_below(process)
    (cloud,) = children(process.pid)
    os.kill(cloud, number)
    assert process.wait(60) == 0
    process.stop()
    assert members(groups) == set()
    assert not (tmp_path / "cloud.json").exists()
    assert "Traceback" not in process.log_tail(lines=100)


def test_kill_leaves_no_broker(tmp_path: Path) -> None:
    process = _start(tmp_path)
    groups = _groups_below(process)
    (cloud,) = children(process.pid)
    os.kill(cloud, signal.SIGKILL)
    process.wait(60)
    process.stop()
    wait_until(lambda: members(groups) == set(), what="the broker's end", timeout=20)


def test_lost_broker_ends_it_with_a_message(tmp_path: Path) -> None:
    process = _start(tmp_path)
    (cloud,) = children(process.pid)
    (guard,) = children(cloud)
    (broker,) = children(guard)
    os.kill(broker, signal.SIGKILL)
    assert process.wait(60) == 1
    assert "broker" in process.log_tail()
    assert "Traceback" not in process.log_tail(lines=100)
    process.stop()


def test_start_after_a_kill_works_with_the_stale_file(tmp_path: Path, reporter: Reporter) -> None:
    with LocalCloud(tmp_path, reporter=reporter) as cloud:
        cloud.stop(grace=0)
        assert CloudLayout(tmp_path).info.exists()
        with pytest.raises(LocalError, match=r"no cloud runs|does not answer"):
            cloud.create_batch(1)
        cloud.start()
        assert len(cloud.things(cloud.create_batch(1, key_type="ec"))) == 1
