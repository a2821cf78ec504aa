"""The demo as a person sees it, and its tips pasted into a shell: each of them changes something."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.polling import eventually

from thing_operator_local.demo import FLEET_STEPS, STEPS, DemoWorld, tell_story
from thing_operator_local.demo.tips import tips
from thing_operator_local.toolchain import Reporter


@pytest.mark.parametrize("fleet", [False, True])
def test_the_tips_can_be_pasted_and_change_something(tmp_path: Path, reporter: Reporter, fleet: bool) -> None:
    with DemoWorld.running(tmp_path, size=4, reporter=reporter) as world:
        done = list(tell_story(FLEET_STEPS if fleet else STEPS, world, lambda: None))
        assert all("00000001" in each.command or "00000002" in each.command for each in done[2:])
        lines = tips(world, fleet=fleet)
        text = "\n".join(["shopt -s expand_aliases", "set -e", *lines])
        pasted = subprocess.run(
            ["bash"], input=text, capture_output=True, text=True, timeout=120, check=False
        )
        assert pasted.returncode == 0, pasted.stdout + pasted.stderr
        assert "(no change)" not in pasted.stdout
        eventually(
            lambda: world.thing("00000003")["status"]["shadow"]["reported"].get("setpoint") == -24,
            "the answer of the device",
        )
        assert world.thing("00000004")["spec"]["suspend"] is True
        long = [line for line in lines if len(line) > 78]
        assert all(str(tmp_path) in line or line.startswith("alias") for line in long), "paths alone are long"


class Screen:
    """What a program writes to a terminal of 80x24, all of it in ``shown``."""

    def __init__(self) -> None:
        self._parent, self.child = pty.openpty()
        fcntl.ioctl(self.child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = ""
        self._reader = threading.Thread(target=self._read)

    def begin(self) -> None:
        """To be called once the program has the terminal."""
        os.close(self.child)
        self._reader.start()

    def end(self) -> None:
        """Return when everybody has closed the terminal."""
        self._reader.join()
        os.close(self._parent)

    def _read(self) -> None:
        with suppress(OSError):  # as Linux says that nobody has it any more
            while data := os.read(self._parent, 1 << 16):
                self.shown += data.decode(errors="replace")


def test_on_a_small_terminal(tmp_path: Path) -> None:
    screen = Screen()
    command = [sys.executable, "-m", "thing_operator", "demo", "--size", "3"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm"}
    child = screen.child
    with subprocess.Popen(command, env=environment, stdin=child, stdout=child, stderr=child) as process:
        screen.begin()
        try:
            eventually(lambda: "Ctrl-C ends everything and removes" in screen.shown, "what to try")
            before = len(screen.shown)
            eventually(lambda: "3 Things: 3 Ready" in screen.shown[before:], "the table below")
        finally:
            process.send_signal(signal.SIGINT)
    screen.end()
    assert process.returncode == 0
    assert "$ kubectl patch thing 00000001" in screen.shown
    assert "VERSION" not in screen.shown
    assert list(tmp_path.glob("thing-operator-demo-*")) == []
