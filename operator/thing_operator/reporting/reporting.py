"""One report by the bridge, with a person's rights: to a pod's port, and to a token of a service account."""

import asyncio
import http.client
import json
import socket
from typing import Any, Final

from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.json_values import JsonObject
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.resources import PODS
from thing_operator.reporting.port_forward import forwarded
from thing_operator.reporting.values import bridge_pod, version_in

_PODS_OF_THE_CHART: Final = "app.kubernetes.io/name=thing-operator,app.kubernetes.io/component=operator"
_TOKEN_SECONDS: Final = 600
"""The shortest that the API server gives."""
_SECONDS: Final = 30.0


async def report(
    client: KubeClient,
    thing: ObjectKey,
    reported: JsonObject,
    *,
    service_account: str,
    audience: str,
    operator_namespace: str,
) -> int:
    """Report for a Thing as this service account of its namespace; returns the shadow's version with the report in it.

    Raises ToolError, which says how to do without, and errors of ``kube.errors``.
    """
    pods = await client.list(PODS, namespace=operator_namespace, label_selector=_PODS_OF_THE_CHART)
    found = bridge_pod(pods)
    if found is None:
        raise ToolError(
            f"there is no ready pod with a bridge in namespace {operator_namespace}: name the operator's by "
            "--operator-namespace, or set config.bridge.port in its chart"
        )
    token = await _token(client, ObjectKey(thing.namespace, service_account), audience)
    pod, port = found
    async with forwarded(client.login, pod, port) as sock:
        try:
            status, body = await asyncio.to_thread(_ask, sock, thing, reported, token)
        except (OSError, http.client.HTTPException) as error:
            raise ToolError(
                f"the connection to pod {pod} ended before its answer ({in_words(error)}): try again"
            ) from None
    return version_in(status, body)


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


def _ask(sock: socket.socket, thing: ObjectKey, reported: JsonObject, token: str) -> tuple[int, bytes]:
    """The bridge's answer, over a socket that is connected. Blocks, in a thread."""
    sock.settimeout(_SECONDS)
    connection = http.client.HTTPConnection("bridge")
    connection.sock = sock
    connection.request(
        "POST",
        f"/v1/namespaces/{thing.namespace}/things/{thing.name}/reported",
        json.dumps({"reported": reported}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    answer = connection.getresponse()
    return answer.status, answer.read()
