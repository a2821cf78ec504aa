"""Child processes end with their parent, however it ends, and say why when they end alone."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.support.processtable import members

from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK, check_port, free_ports
from thing_operator_local.processes import ChildProcess, wait_until

# A shell with a child of its own: both must end.
_FAMILY = ["sh", "-c", "sleep 600 & echo started; wait"]

# The child is started in a thread that is over before the parent is: the tie must be to the process.
_PARENT = f"""
    import signal, sys, threading
    from pathlib import Path
    from thing_operator_local.processes import ChildProcess

    # A shell's background jobs, and so what is started below one, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = []
    def start():
        started.append(ChildProcess({_FAMILY!r}, name="family", log=Path(sys.argv[1])))
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    print(started[0].pid, flush=True)
    if sys.argv[2] == "pause":
        signal.pause()
"""


def _start_parent(log: Path, then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(_PARENT), str(log), then]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _has_text(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_a_parent_that_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    log = tmp_path / "log"
    with _start_parent(log, "pause") as parent:
        try:
            assert parent.stdout is not None
            group = int(parent.stdout.readline())
            wait_until(lambda: _has_text(log), what="the family", timeout=60)
            assert len(members({group})) == 3  # guard, shell and sleep
        finally:
            parent.send_signal(how)
    wait_until(lambda: not members({group}), what="the end of the family", timeout=60)


def test_children_end_with_a_parent_that_forgets_them(tmp_path: Path) -> None:
    with _start_parent(tmp_path / "log", "return") as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
    wait_until(lambda: not members({group}), what="the end of the family", timeout=60)


def test_stop_ends_the_whole_group_and_may_be_repeated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ChildProcess(_FAMILY, name="family", log=log) as process:
        wait_until(lambda: _has_text(log), what="the family", timeout=60, processes=[process])
        process.stop()
        process.stop()
    assert process.returncode is not None
    wait_until(lambda: not members({process.pid}), what="the end of the family", timeout=60)


def test_stop_lets_a_child_end_in_its_own_way(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "trap 'echo goodbye; exit 7' TERM; echo started; while :; do sleep 0.05; done"]
    with ChildProcess(command, name="polite", log=log) as process:
        wait_until(lambda: _has_text(log), what="polite", timeout=60, processes=[process])
    assert process.returncode == 7
    assert process.log_tail(lines=1) == "goodbye"


def test_stop_does_not_wait_longer_than_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.05; done"]
    process = ChildProcess(command, name="stubborn", log=log)
    wait_until(lambda: _has_text(log), what="stubborn", timeout=60, processes=[process])
    process.stop(grace=0.1)
    assert process.returncode == -signal.SIGKILL


# It holds a port, and the system needs a moment for its memory before it gives up what else a process had.
_LISTENER = """
    import socket, sys, time
    memory = bytearray(b"x" * 2**29)
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
    print("listens", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_killed_has_given_up_its_port(tmp_path: Path, paused: bool) -> None:
    log = tmp_path / "log"
    (port,) = free_ports(1)
    command = [sys.executable, "-c", textwrap.dedent(_LISTENER), LOOPBACK, str(port)]
    process = ChildProcess(command, name="listener", log=log)
    wait_until(lambda: _has_text(log), what="the listener", timeout=60, processes=[process])
    if paused:
        process.signal(signal.SIGSTOP)
    process.stop(grace=0)
    check_port(port, purpose="the next one", option="--port")


def test_code_environment_and_folder_are_the_childs(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", 'echo "$WORD in $(pwd)"; kill -9 $$']
    log = tmp_path / "log"
    with ChildProcess(command, name="child", log=log, env={"WORD": "hello"}, cwd=tmp_path) as process:
        assert process.wait(60) == 128 + signal.SIGKILL
    assert process.log_tail() == f"hello in {tmp_path}"


def test_an_early_end_shows_the_last_lines_at_once(tmp_path: Path) -> None:
    command = ["sh", "-c", "seq 100; echo the reason >&2; exit 3"]
    with (
        ChildProcess(command, name="broken", log=tmp_path / "log") as process,
        pytest.raises(LocalError, match=r"(?s)broken ended early with code 3.*100\nthe reason") as caught,
    ):
        wait_until(lambda: False, what="broken", timeout=60, processes=[process])
    assert "\n50\n" not in caught.value.message


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    with ChildProcess([tmp_path / "nothing"], name="nothing", log=tmp_path / "log") as process:
        assert process.wait(60) == 127
    assert "cannot start" in process.log_tail()


def test_what_is_never_ready_is_named_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ChildProcess(_FAMILY, name="family", log=log) as process:
        wait_until(lambda: _has_text(log), what="the family", timeout=60, processes=[process])
        with pytest.raises(LocalError, match=r"(?s)the family was not ready within 0 s.*started"):
            wait_until(lambda: False, what="the family", timeout=0, processes=[process])


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - only the count
    with ChildProcess(["true"], name="true", log=tmp_path / "log") as process:
        process.wait(60)
    with pytest.raises(FileNotFoundError):
        ChildProcess(["true"], name="true", log=tmp_path / "log", cwd=tmp_path / "nowhere")
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208 - only the count


def test_ports_are_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        check_port(port, purpose="a test", option="--port")


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.socket() as squatter:
        squatter.bind((LOOPBACK, 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} for the broker .* with --mqtt-port"):
            check_port(port, purpose="the broker", option="--mqtt-port")
