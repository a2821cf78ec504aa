"""A scripted API server in a test's own process, and a client of it."""

import json
from pathlib import Path

import psutil
import yaml
from aiohttp.test_utils import TestServer
from tests.support.polling import until
from yarl import URL

from thing_operator.kube.client import KubeClient

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
"""What a watch says when it cannot go on where it was."""


async def connect(server: TestServer, folder: Path) -> KubeClient:
    """A client by a kubeconfig, which is written to ``folder``."""
    file = folder / "kubeconfig"
    body = {
        "clusters": [{"name": "a", "cluster": {"server": str(server.make_url("")).rstrip("/")}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    file.write_text(json.dumps(body), encoding="utf-8")
    return await KubeClient.connect(kubeconfig=file)


async def close(client: KubeClient, kubeconfig: Path) -> None:
    """Close a client and wait until its connections have ended: of a watch that was left, TLS's farewell is still to
    come from the server, and a test's loop does not wait for it.
    """
    port = _port_in(kubeconfig)
    await client.close()

    def has_ended() -> bool:
        there = psutil.Process().net_connections(kind="tcp")
        return all(each.raddr[1:] != (port,) or each.status != psutil.CONN_ESTABLISHED for each in there)

    await until(has_ended, "its connections have ended")


def _port_in(kubeconfig: Path) -> int | None:
    (cluster,) = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["clusters"]
    return URL(cluster["cluster"]["server"]).port
