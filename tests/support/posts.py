"""Places for replicas, each with ways of its own to the API servers and to the broker, which can be made bad.

Where there are network namespaces, each post is one, with a link of its own for each way and one for who reads its
replica's metrics; elsewhere a replica reaches the relays by loopback.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml
from tests.support.network_space import NetworkSpace, SpaceLink, missing
from tests.support.relay import Relay
from tests.support.replicas import ReplicaProcess

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.ports import HOST, LOOPBACK

API, BROKER_LINK = "api", "broker"
_LINKS = (API, BROKER_LINK, "probe")


@dataclass
class Post:
    """One place: its ways out stay while replicas in it come and go."""

    number: int
    space: NetworkSpace | None
    relays: Mapping[str, Relay]
    settings: Mapping[str, str]
    """What a replica in it needs."""
    replica: ReplicaProcess | None = None
    names: list[tuple[float, str]] = field(default_factory=list)
    """Which replicas were in it, from when on by the time of day; one of them for each process."""
    troubles: list[tuple[str, float, float]] = field(default_factory=list)
    """The links that were bad, from when to when."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def make(
        cls,
        number: int,
        *,
        plane: ControlPlane,
        cloud: LocalCloud,
        namespace: str,
        broker: str,
        folder: Path,
        stack: ExitStack,
    ) -> Self:
        """One in the running loop; ``broker`` is a name of the cloud's certificates. Namespaces end with ``stack``."""
        space = None if missing() else stack.enter_context(NetworkSpace(_LINKS))
        port = cloud.info.mqtt_port
        relays = {API: Relay(address_of(plane.server)), BROKER_LINK: Relay((LOOPBACK, port))}
        outer = {name: space.links[name].outer if space else LOOPBACK for name in relays}
        api_port = await relays[API].start(outer[API])
        # The broker has one name and one port for all replicas, as far as that goes: both are in the statuses.
        broker_port = await relays[BROKER_LINK].start(outer[BROKER_LINK], port if space else 0)
        if space:
            space.name_hosts({broker: outer[BROKER_LINK]})
        kubeconfig = folder / f"post-{number}.kubeconfig"
        server = f"https://{outer[API]}:{api_port}"
        await asyncio.to_thread(_make_account, plane, namespace, f"post-{number}", kubeconfig, server)
        settings = {
            "KUBECONFIG": str(kubeconfig),
            "THING_OPERATOR_ENDPOINT__HOST": broker if space else HOST,
            "THING_OPERATOR_ENDPOINT__PORT": str(broker_port),
        }
        return cls(number, space, relays, settings)

    async def close(self) -> None:
        """End the relays."""
        for relay in self.relays.values():
            await relay.stop()

    def start(self, replica: ReplicaProcess) -> None:
        """Start a replica here."""
        replica.settings |= self.settings
        if self.space is not None:
            replica.prefix, replica.host = self.space.prefix, self.space.links["probe"].inner
        self.replica = replica
        self.names.append((time.time(), replica.name))
        replica.start()

    def stop(self, *, grace: float) -> int | None:
        """End the one that is here by SIGTERM, or with 0 by SIGKILL; returns its exit code."""
        assert self.replica is not None
        code = self.replica.stop(grace=grace)
        self.names.append((time.time(), ""))
        return code

    def link(self, name: str) -> SpaceLink | None:
        """The link in its namespace."""
        return None if self.space is None else self.space.links[name]

    def cut(self, name: str) -> None:
        """What passes is lost; without namespaces it is held back."""
        if (found := self.link(name)) is not None:
            found.cut()
        else:
            self.relays[name].stall()

    def heal(self, name: str) -> None:
        """The link and its relay are good."""
        self.relays[name].heal()
        if (found := self.link(name)) is not None:
            found.heal()

    def was_bad(self, link: str, since: float, until: float) -> bool:
        """Whether a link has been bad at any moment of these."""
        return any(each == link and begin <= until and end >= since for each, begin, end in self.troubles)

    def name_at(self, at: float) -> str:
        """The replica that was in it at this moment; empty: none."""
        return next((name for since, name in reversed(self.names) if since <= at), "")


def address_of(server: str) -> tuple[str, int]:
    """Host and port of an API server's URL."""
    parts = urlsplit(server)
    return parts.hostname or LOOPBACK, parts.port or 443


def _make_account(plane: ControlPlane, namespace: str, name: str, path: Path, server: str) -> None:
    """A service account for what runs at a post: the audit log has its name."""
    plane.kubectl("create", "serviceaccount", name, f"--namespace={namespace}")
    plane.kubectl(
        "create",
        "clusterrolebinding",
        f"{namespace}-{name}",
        "--clusterrole=cluster-admin",
        f"--serviceaccount={namespace}:{name}",
    )
    plane.service_account_kubeconfig(path, namespace=namespace, name=name)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"] |= {"server": server, "tls-server-name": HOST}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
