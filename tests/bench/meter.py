"""What a process group uses: CPU seconds and resident memory, without the guard in front of it."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu``: seconds, user and system, since the start; ``waited``: seconds in which a core was asked for and none
    was free; ``rss``: bytes; ``at``: monotonic seconds.
    """

    cpu: float
    waited: float
    rss: int
    at: float

    def cpu_percent_since(self, before: Self) -> float:
        """Percent of one core."""
        return 100 * (self.cpu - before.cpu) / (self.at - before.at)


class Meter:
    """Reads the children of a process, and theirs; a child that has ended counts no more."""

    def __init__(self, parent: int, *, deep: bool = False) -> None:
        self._parent = psutil.Process(parent)
        self._deep = deep

    @classmethod
    def of_program(cls, name: str) -> Self:
        """The meter of the one program of that name among all that this process has started."""
        (program,) = [each for each in psutil.Process().children(recursive=True) if each.name() == name]
        return cls(program.ppid())

    def read(self) -> Usage:
        """The sum over the process's children; with ``deep`` theirs, too."""
        cpu, waited, rss = 0.0, 0.0, 0
        for child in self._parent.children(recursive=self._deep):
            with child.oneshot():
                times = child.cpu_times()
                cpu += times.user + times.system
                rss += child.memory_info().rss
            waited += _waited_by(child.pid)
        return Usage(cpu, waited, rss, time.monotonic())

    def peak_rss(self) -> int:
        """The largest resident memory of any of the process's children so far, in bytes."""
        return max(map(_peak_of, self._parent.children(recursive=self._deep)))


def _waited_by(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text(encoding="ascii").split()[1]) for each in tasks) / 1e9


def _peak_of(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def cpu_by_program() -> dict[str, float]:
    """CPU seconds so far of this process, as ``bench``, and of all that it has started, by what they are."""
    found = {"bench": _cpu_of(psutil.Process())}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            name = _kind_of(child)
            found[name] = found.get(name, 0.0) + _cpu_of(child)
    return found


def _cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _kind_of(process: psutil.Process) -> str:
    words = process.cmdline()
    module = next((word for word in words if word.startswith("thing_operator")), "")
    return {"thing_operator": "operator", "thing_operator_local": "cloud"}.get(module, process.name())
