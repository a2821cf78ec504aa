"""Child processes that never outlive this process, and waiting for them to be ready."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from thing_operator_local.errors import LocalError

_GUARD = Path(__file__).with_name("child_guard.py")
_TAIL_BYTES = 16 * 1024


class ChildProcess:
    """A running command whose output goes to a log file.

    It ends when ``stop`` is called and when this process ends in any way, SIGKILL included; so does
    everything that it started itself, unless that left the process group. It has a session of its own:
    Ctrl-C in the terminal does not reach it. May be started from any thread.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start ``command`` (a program's path and its arguments) and append its output to ``log``.

        ``env`` replaces the whole environment. A command that cannot be run shows as an early end with
        code 127.
        """
        self.name = name
        self.log = log
        lifeline, self._lifeline = os.pipe()
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(lifeline)]
        try:
            with log.open("ab") as output:
                self._guard = subprocess.Popen(
                    [*guard, *map(str, command)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    pass_fds=(lifeline,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)
        self._stopped = False

    @property
    def pid(self) -> int:
        """The id of the process group that holds the command."""
        return self._guard.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; 128 + N when signal N ended it."""
        return self._guard.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Block until it ends and return its code. Raises subprocess.TimeoutExpired after ``timeout`` s."""
        return self._guard.wait(timeout)

    def stop(self, *, grace: float = 3.0) -> None:
        """End the process: SIGTERM, and SIGKILL after ``grace`` seconds (at once with 0). Idempotent.

        The command itself has ended on return, so its ports and locks are free; what it started is ending.
        """
        if self._stopped:
            return
        self._stopped = True
        if grace > 0:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(grace)
        # The guard kills, and not we: it alone can wait for the command, which needs a moment to give up its memory.
        os.close(self._lifeline)
        self._guard.send_signal(signal.SIGCONT)  # it may be stopped with its group
        self._guard.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes; nothing when it has ended."""
        # Only while the guard is not reaped: afterwards its id may already belong to a stranger.
        if self._guard.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._guard.pid, number)

    def log_tail(self, *, lines: int = 15) -> str:
        """The last lines of its output."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def check_running(self) -> None:
        """Raise LocalError, with the last lines of its output, when it has ended."""
        if (code := self.returncode) is not None:
            raise LocalError(
                f"{self.name} ended early with code {code}; the last lines of {self.log}:\n{self.log_tail()}",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class StartedWithContext(ABC):
    """Something that ``with`` starts and, however it is left, stops."""

    @abstractmethod
    def start(self) -> None:
        """Return when it works. Raises LocalError, and leaves nothing running then."""

    @abstractmethod
    def stop(self) -> None:
        """End it; again is fine."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    timeout: float,
    processes: Sequence[ChildProcess] = (),
    interval: float = 0.05,
) -> None:
    """Poll ``ready`` every ``interval`` seconds until it is true.

    Raises LocalError naming ``what`` when ``timeout`` seconds have passed, and at once when one of the
    ``processes`` it depends on has ended; both with the last lines of the log.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        for process in processes:
            process.check_running()
        if time.monotonic() > deadline:
            logs = "".join(f"\nthe last lines of {each.log}:\n{each.log_tail()}" for each in processes)
            raise LocalError(f"{what} was not ready within {timeout:.0f} s{logs}")
        time.sleep(interval)
