"""A network namespace for one process, with links that can be taken down as a cable is pulled.

Each link is a veth pair: its outer end is on this machine, where servers for the process listen, the inner one in the
namespace. Needs root and ``ip`` of iproute2.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_numbers = itertools.count()


def missing() -> str | None:
    """Why there are no network namespaces here; None where there are."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need ip (iproute2)"
    name = f"thing-probe-{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except subprocess.CalledProcessError as error:
        return f"no network namespace can be made here: {error.stderr.strip()}"
    return None


@dataclass(frozen=True, slots=True)
class SpaceLink:
    """One link; ``outer`` and ``inner`` are the addresses of its ends."""

    outer: str
    inner: str
    device: str
    space: str

    def cut(self) -> None:
        """Whatever is sent is lost without a word, as behind a pulled cable or in a partition."""
        _ip("link", "set", f"{self.device}o", "down")

    def lose_interface(self) -> None:
        """The process has no route any more, and learns of it at once."""
        _ip("-n", self.space, "link", "set", f"{self.device}i", "down")

    def heal(self) -> None:
        """As it was; what waits to be sent is sent."""
        _ip("link", "set", f"{self.device}o", "up")
        _ip("-n", self.space, "link", "set", f"{self.device}i", "up")


class NetworkSpace:
    """A namespace with these links and nothing else; a context manager."""

    def __init__(self, links: Sequence[str]) -> None:
        self._number = next(_numbers)
        self.name = f"thing-{os.getpid()}-{self._number}"
        self.links: Mapping[str, SpaceLink] = {name: self._link(place) for place, name in enumerate(links)}

    @property
    def prefix(self) -> list[str]:
        """What a command line is to begin with to run inside."""
        return ["ip", "netns", "exec", self.name]

    def name_hosts(self, hosts: Mapping[str, str]) -> None:
        """Give addresses these names inside, for processes that are started from now on."""
        self._hosts.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}" for name, address in {"localhost": "127.0.0.1", **hosts}.items()]
        self._hosts.write_text("\n".join(lines) + "\n", encoding="ascii")

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for link in self.links.values():
            ends = f"{link.device}o", f"{link.device}i"
            _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", self.name)
            _ip("address", "add", f"{link.outer}/30", "dev", ends[0])
            _ip("-n", self.name, "address", "add", f"{link.inner}/30", "dev", ends[1])
            link.heal()
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)
        for link in self.links.values():
            subprocess.run(["ip", "link", "delete", f"{link.device}o"], check=False, capture_output=True)
        shutil.rmtree(self._hosts.parent, ignore_errors=True)

    @property
    def _hosts(self) -> Path:
        return Path("/etc/netns") / self.name / "hosts"

    def _link(self, place: int) -> SpaceLink:
        # By the process, so that tests of several at a time do not meet: 10.128.0.0/9 in blocks of 256 addresses.
        block, start = os.getpid() % (1 << 15), 16 * self._number + 4 * place
        net = f"10.{128 + (block >> 8)}.{block & 0xFF}"
        device = f"t{os.getpid()}n{self._number}l{place}"
        return SpaceLink(f"{net}.{start + 1}", f"{net}.{start + 2}", device, self.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
