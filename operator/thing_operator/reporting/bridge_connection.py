"""A connection to the bridge for a person: a pod's port, and a token of a service account, by the API server."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from thing_operator.core.errors import ToolError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.resources import PODS
from thing_operator.reporting.port_forward import forwarded
from thing_operator.reporting.values import bridge_pod

_PODS_OF_THE_CHART: Final = "app.kubernetes.io/name=thing-operator,app.kubernetes.io/component=operator"
_TOKEN_SECONDS: Final = 600
"""The shortest that the API server gives."""


@dataclass(frozen=True, slots=True)
class BridgeAccess:
    """Where the operator's pods are, and as which service account of a Thing's namespace they are spoken to."""

    service_account: str
    audience: str
    operator_namespace: str


@dataclass(frozen=True, slots=True)
class BridgeConnection:
    """A connection to the bridge of a pod; for whoever blocks in a thread."""

    sock: socket.socket
    token: str = field(repr=False)
    pod: ObjectKey


@asynccontextmanager
async def bridge_connection(
    client: KubeClient, access: BridgeAccess, *, namespace: str
) -> AsyncIterator[BridgeConnection]:
    """A connection for a request about Things of a namespace, until the end of the block.

    Raises ToolError, which says how to do without, and errors of ``kube.errors``.
    """
    pods = await client.list(PODS, namespace=access.operator_namespace, label_selector=_PODS_OF_THE_CHART)
    found = bridge_pod(pods)
    if found is None:
        raise ToolError(
            f"there is no ready pod with a bridge in namespace {access.operator_namespace}: name the operator's by "
            "--operator-namespace, or set config.bridge.port in its chart"
        )
    token = await _token(client, ObjectKey(namespace, access.service_account), access.audience)
    pod, port = found
    async with forwarded(client.login, pod, port) as sock:
        yield BridgeConnection(sock, token, pod)


async def _token(client: KubeClient, account: ObjectKey, audience: str) -> str:
    requests = Resource("", "v1", f"serviceaccounts/{account.name}/token", "TokenRequest")
    body: dict[str, Any] = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
    }
    try:
        answer = await client.create(requests, account.namespace, body)
    except (ForbiddenError, NotFoundError) as error:
        raise ToolError(
            f"there is no token of service account {account}: {error.message}; name another one by --service-account"
        ) from None
    return str(answer["status"]["token"])
