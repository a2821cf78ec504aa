"""The name by which a process holds Leases, and whether the holder of one has ended for certain.

In a pod the host name is the pod's, and the kubelet has ended the container before it starts another one under the
same name. On a machine the name holds the process and its start, so that who comes next on the same machine sees
whether it still runs. Of any other holder nothing is known: its Lease has to end.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_POD: Final = "pod"
_PROC: Final = Path("/proc")
_STATE, _START = 0, 19
"""Fields of /proc/PID/stat behind the program's name."""


@dataclass(frozen=True, slots=True)
class HolderIdentity:
    """Who holds a Lease: host, place (``pod``, or what tells machines and their process spaces apart), process."""

    host: str
    place: str
    process: str

    def __str__(self) -> str:
        return f"{self.host}_{self.place}_{self.process}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The identity in a Lease; None when it is not one of ours."""
        parts = text.rsplit("_", 2)
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def outlives(self, holder: str, *, runs: Callable[[str], bool]) -> bool:
        """Whether the holder has ended for certain: the same pod's container before, or a process of this machine.

        ``runs`` says whether a process of this machine does.
        """
        other = self.parse(holder)
        if other is None or other == self or (other.host, other.place) != (self.host, self.place):
            return False
        return self.place == _POD or not runs(other.process)


def own_identity(name: str | None = None, *, proc: Path = _PROC) -> HolderIdentity:
    """This process's; ``name`` instead of the host's."""
    host = name or os.uname().nodename or "unknown"
    process = f"{os.getpid()}-{_start_of(os.getpid(), proc) or os.urandom(4).hex()}"
    return HolderIdentity(host, _POD if "KUBERNETES_SERVICE_HOST" in os.environ else _machine(proc), process)


def process_runs(process: str) -> bool:
    """Whether a process of this machine, as its identity has it, still runs."""
    pid, _, start = process.partition("-")
    return not pid.isdecimal() or _start_of(int(pid), _PROC) == start


def _machine(proc: Path) -> str:
    """What tells this machine, since it was started, and its space of process ids from all others."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii")
        processes = (proc / "self/ns/pid").readlink()
    except OSError:
        return os.urandom(4).hex()
    return hashlib.sha256(f"{boot}{processes}".encode()).hexdigest()[:8]


def _start_of(pid: int, proc: Path) -> str | None:
    """When a process was started, in ticks since the machine was; None when there is none, or only its remains."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[_STATE] in {"Z", "X"} else fields[_START]
