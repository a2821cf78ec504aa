"""A scripted API server in a test's own process, and a client of it."""

import json
from pathlib import Path

from aiohttp.test_utils import TestServer

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
