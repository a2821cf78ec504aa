"""The exec plugins of kubeconfigs: a program that gives a token or a client certificate.

``kubernetes.aio`` runs them, too, but without the cluster (``provideClusterInfo``, which plugins of clouds ask for),
takes a token or a certificate where a plugin may give both, and goes on as anonymous when the plugin fails.
The protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

from thing_operator.core.error_words import in_words
from thing_operator.login.errors import LoginError
from thing_operator.login.kubeconfig import Access

_TIMEOUT_SECONDS = 60
_CLUSTER_FIELDS = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "proxy-url",
    "disable-compression",
)
_CONFIG_EXTENSION = "client.authentication.k8s.io/exec"


async def run_plugin(access: Access) -> dict[str, Any]:
    """Run the plugin of the user; what it gave, as fields of a kubeconfig's user. Raises LoginError.

    Its standard error is passed on to the operator's, as kubectl does it; its output holds the secret and is quoted
    nowhere.
    """
    plugin = access.user["exec"]
    where = f"exec of user {access.user_name!r} of the kubeconfig: {Path(plugin['command']).name}"
    given = {each["name"]: each["value"] for each in plugin.get("env") or []}
    environment = os.environ | given | {"KUBERNETES_EXEC_INFO": json.dumps(exec_info(access))}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin["command"],
            *(plugin.get("args") or []),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = plugin.get("installHint")
        raise LoginError(
            f"{where} cannot be started ({in_words(error)}): {hint or 'install it, or correct command'}"
        ) from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT_SECONDS)
    except TimeoutError:
        raise LoginError(f"{where} took more than {_TIMEOUT_SECONDS} s: run it by hand") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoginError(f"{where} ended with {process.returncode}: run it by hand, and log in again")
    return credentials_of(output, version=plugin["apiVersion"], where=where)


def exec_info(access: Access) -> dict[str, Any]:
    """What the plugin is given to know: that nobody answers, and on request the cluster."""
    spec: dict[str, Any] = {"interactive": False}
    if access.user["exec"].get("provideClusterInfo"):
        cluster = {name: access.cluster[name] for name in _CLUSTER_FIELDS if access.cluster.get(name)}
        authority = access.cluster.get("certificate-authority-data")
        if path := access.cluster.get("certificate-authority"):
            authority = base64.b64encode(Path(path).read_bytes()).decode()
        if authority:
            cluster["certificate-authority-data"] = authority
        for each in access.cluster.get("extensions") or []:
            if each.get("name") == _CONFIG_EXTENSION:
                cluster["config"] = each.get("extension")
        spec["cluster"] = cluster
    return {"apiVersion": access.user["exec"]["apiVersion"], "kind": "ExecCredential", "spec": spec}


def credentials_of(output: bytes, *, version: str, where: str) -> dict[str, Any]:
    """The fields of a user that an ExecCredential holds. Raises LoginError for what is none of this version."""
    try:
        answer = json.loads(output)
        status = answer["status"]
        found: dict[str, str | None] = {"token": status.get("token")}
        for name, key in (("client-certificate", "clientCertificateData"), ("client-key", "clientKeyData")):
            content = status.get(key)
            found[f"{name}-data"] = base64.b64encode(content.encode()).decode() if content else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LoginError(f"{where} gave no ExecCredential: run it by hand") from None
    if answer.get("apiVersion") != version:
        raise LoginError(f"{where} gave another version than {version}: correct exec.apiVersion")
    if bool(found["client-certificate-data"]) != bool(found["client-key-data"]):
        raise LoginError(f"{where} gave one of clientCertificateData and clientKeyData: both are needed")
    if not found["token"] and not found["client-key-data"]:
        raise LoginError(f"{where} gave neither a token nor a client certificate: run it by hand")
    return {name: value for name, value in found.items() if value}
