"""What a run is played on: two API servers on one etcd, a cloud, and replicas whose ways out can be made bad."""

import asyncio
import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from operator import itemgetter
from pathlib import Path
from typing import Self

import yaml
from tests.simulation.broker_model import BROKER
from tests.support.controlplane import CRDS
from tests.support.network_space import missing
from tests.support.posts import API, BROKER_LINK, Post, address_of
from tests.support.replicas import Group, ReplicaProcess

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.toolchain import Reporter

NAMESPACE = "chaos"
_ETCD_DISK = 1024
"""MiB: etcd keeps up to five files of 64 of its log, and has one or two in reserve; the history of 500 Things between
two compactions takes some 150 (twenty minutes filled 320).
"""


class Stage:
    """A context manager in a running loop; ``folder`` takes all state and all logs."""

    def __init__(self, folder: Path, *, reporter: Reporter, replicas: int) -> None:
        self.folder = folder
        self.no_spaces = missing()
        self._stack = ExitStack()
        self._replicas = replicas
        self.plane = ControlPlane(folder / "control-plane", reporter=reporter, manifests=[CRDS], audit=True)
        self.cloud = LocalCloud(folder / "cloud", reporter=reporter, hostnames=[BROKER])
        self.control = CloudControl(self.cloud.folder)
        self.servers: list[tuple[str, int]] = []
        """Where the API servers listen."""
        self.posts: list[Post] = []
        self.disk: Path | None = None
        """etcd's, where it has one of its own."""
        self.plane_lock, self.cloud_lock = asyncio.Lock(), asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._start)
            for number in range(self._replicas):
                post = await Post.make(
                    number,
                    plane=self.plane,
                    cloud=self.cloud,
                    namespace=NAMESPACE,
                    broker=BROKER,
                    folder=self.folder,
                    stack=self._stack,
                )
                post.relays[API].target = self.servers[number % len(self.servers)]
                self.posts.append(post)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._stop_replicas)
        for post in self.posts:
            await post.close()
        await asyncio.to_thread(self._stack.close)

    def _start(self) -> None:
        if self.no_spaces is None:
            self._mount_etcd()
        self._stack.enter_context(self.plane)
        self._stack.enter_context(self.cloud)
        self._cloud_info = self.cloud.info
        self.second_kubeconfig = self.plane.add_apiserver()
        second = yaml.safe_load(self.second_kubeconfig.read_text(encoding="utf-8"))
        self.servers = [
            address_of(server) for server in (self.plane.server, second["clusters"][0]["cluster"]["server"])
        ]
        self.plane.kubectl("create", "namespace", NAMESPACE)
        self.group = Group(
            kubectl=self.plane.kubectl,
            plane=self.plane,
            cloud=self.cloud,
            namespace=NAMESPACE,
            folder=self.folder,
        )

    def _mount_etcd(self) -> None:
        """A disk of its own, which can be full."""
        disk = self.folder / "control-plane" / "etcd"
        disk.mkdir(parents=True)
        options = ["-t", "tmpfs", "-o", f"size={_ETCD_DISK}m", "tmpfs", str(disk)]
        subprocess.run(["mount", *options], check=True, capture_output=True)
        self._stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False, capture_output=True)
        self.disk = disk

    # --- replicas

    def start(self, post: Post, *, again: bool = False) -> ReplicaProcess:
        """Start one at a post: a new one, or, ``again``, the one that was there."""
        replica = post.replica if again and post.replica is not None else self._fresh()
        replica.settings["THING_OPERATOR_STATUS__INTENT_LOG_NAMESPACE"] = NAMESPACE
        replica.cloud_info = self._cloud_info
        post.start(replica)
        return replica

    def _fresh(self) -> ReplicaProcess:
        used = {name for post in self.posts for _, name in post.names}
        unused = [each for each in self.group.replicas if each.name not in used]
        return unused[0] if unused else self.group.make()

    def _stop_replicas(self) -> None:
        for post in self.posts:
            if post.replica is not None:
                with suppress(AssertionError):
                    post.replica.signal(signal.SIGCONT)
                post.replica.stop(grace=5)

    def owner(self, port: int, at: float) -> Post | None:
        """Whose connection to the broker came from this port of ours."""
        found = [
            (since, post)
            for post in self.posts
            for since in post.relays[BROKER_LINK].ports.get(port, ())
            if since <= at + 1
        ]
        return max(found, key=itemgetter(0))[1] if found else None

    # --- etcd's disk

    def fill_disk(self) -> None:
        """Take all the room that etcd's disk has."""
        assert self.disk is not None
        with suppress(OSError), (self.disk / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass

    def free_disk(self) -> None:
        """Give it back."""
        if self.disk is not None:
            (self.disk / "filler").unlink(missing_ok=True)


def signal_group(pid: int, number: signal.Signals) -> None:
    """To all processes of a group; nothing if there are none."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
