"""A node's kubelet as far as port-forwards go: what the API server passes on, carried to a port of this machine."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from tests.support.background import background_loop
from tests.support.controlplane import Kubectl

from thing_operator_local.cloud.certificates import server_authority
from thing_operator_local.ports import LOOPBACK

_PROTOCOL = "v4.channel.k8s.io"
_LABELS = {"app.kubernetes.io/name": "thing-operator", "app.kubernetes.io/component": "operator"}


async def _port_forward(request: web.Request) -> web.WebSocketResponse:
    port = int(request.query["port"])
    channels = web.WebSocketResponse(protocols=(_PROTOCOL,))
    await channels.prepare(request)
    for channel in (0, 1):
        await channels.send_bytes(bytes((channel,)) + port.to_bytes(2, "little"))
    reader, writer = await asyncio.open_connection(LOOPBACK, port)

    async def back() -> None:
        while piece := await reader.read(4096):
            await channels.send_bytes(b"\0" + piece)
        await channels.close()

    carrying = asyncio.create_task(back())
    async for message in channels:
        if message.type is WSMsgType.BINARY and message.data[:1] == b"\0":
            writer.write(message.data[1:])
            await writer.drain()
    writer.close()
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    return channels


async def _serve(context: ssl.SSLContext) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/portForward/{namespace}/{pod}", _port_forward)
    app.router.add_get("/portForward/{namespace}/{pod}/{uid}", _port_forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=context)  # noqa: S104 - the API server comes from elsewhere
    await site.start()
    return runner


def pod_with_bridge(namespace: str, port: int) -> dict[str, Any]:
    """As the chart's, with the bridge's port."""
    container = {"name": "operator", "image": "x", "ports": [{"name": "bridge", "containerPort": port}]}
    return {
        "metadata": {"name": "operator-0", "namespace": namespace, "labels": _LABELS},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


@contextmanager
def node_with_pod(kubectl: Kubectl, namespace: str, pod: dict[str, Any], folder: Path) -> Iterator[None]:
    """A node whose kubelet we are, and on it this pod, ready."""
    credentials = server_authority(folder).server()
    file = folder / "kubelet.pem"
    file.write_text(credentials.certificate + credentials.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    node = f"node-{namespace}"
    with background_loop() as wait:
        runner = wait(_serve(context))
        port = runner.addresses[0][1]
        _create(kubectl, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
        addresses = [{"type": "InternalIP", "address": _own_address()}]
        endpoints = {"kubeletEndpoint": {"Port": port}}
        _set_status(kubectl, "node", node, {"addresses": addresses, "daemonEndpoints": endpoints})
        body = pod | {"apiVersion": "v1", "kind": "Pod"}
        body["spec"] = pod["spec"] | {"nodeName": node}
        _create(kubectl, body)
        name, where = pod["metadata"]["name"], f"--namespace={namespace}"
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        _set_status(kubectl, "pod", name, ready, where)
        try:
            yield
        finally:
            kubectl("delete", "pod", name, where, "--grace-period=0", "--force", "--wait=false")
            kubectl("delete", "node", node, "--wait=false")
            wait(runner.cleanup())


def _create(kubectl: Kubectl, body: dict[str, Any]) -> None:
    kubectl("create", "--filename=-", input=json.dumps(body))


def _set_status(kubectl: Kubectl, kind: str, name: str, status: dict[str, Any], *more: str) -> None:
    patch = json.dumps({"status": status})
    kubectl("patch", kind, name, *more, "--subresource=status", "--type=merge", f"--patch={patch}")


def _own_address() -> str:
    """Of this machine, as others would reach it: the API server does not go to loopback for others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        address: str = probe.getsockname()[0]
        return address
