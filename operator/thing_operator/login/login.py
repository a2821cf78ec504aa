"""How the client is logged in: what a kubeconfig or a pod's service account says, read again when it is refused.

Tokens, certificates and CAs are renewed on disk or by a plugin while the operator runs. They are read again when they
are due, and when the API server refuses them. kopf asks through our client.

``kubernetes`` is loaded for OIDC alone: with what it needs in turn it is 10 MiB and a fifth of a second, and of a pod's
account it would read three files.
"""

import asyncio
import logging
import os
import ssl
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from thing_operator.core.clock import Clock
from thing_operator.core.error_words import in_words
from thing_operator.core.tls import client_context, load_identity
from thing_operator.login.errors import LoginError
from thing_operator.login.exec_plugin import run_plugin
from thing_operator.login.kubeconfig import FILES, Access, kubeconfig_files, read_access
from thing_operator.login.proxies import environment_proxy

_DUE_SECONDS = 60.0
"""Files are read again after this time, as client-go does it: kubelet renews a token well before it ends."""
_POD = "the pod's service account"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts it."""
_ELSE = "set KUBECONFIG, or run in a pod with a service account"
LOGIN_PAUSE = timedelta(seconds=10)
"""Between two readings because of a refusal: a plugin may ask a person's identity provider."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM of what TLS needs; without ``ca`` the system's are trusted."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    verify: bool = True

    def context(self, where: str) -> ssl.SSLContext:
        """For connections to the API server. Raises LoginError, which names the field of ``where``."""
        # Only what is ASCII: a comment around the certificates may hold anything.
        authorities = None if self.ca is None else self.ca.decode("ascii", errors="ignore")
        try:
            context = client_context(authorities)
        except (ssl.SSLError, ValueError):
            raise LoginError(
                f"certificate-authority of {where} is no certificate in PEM: correct it"
            ) from None
        if authorities is None:
            context.load_default_certs()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate and self.key:
            try:
                load_identity(context, self.certificate, self.key)
            except (ssl.SSLError, ValueError):
                raise LoginError(
                    f"client-certificate and client-key of {where} are no pair in PEM without passphrase: "
                    "correct them"
                ) from None
        return context


@dataclass(frozen=True, slots=True)
class Login:
    """What the client is logged in with. ``due`` is in how many seconds it is to be read again.

    ``kube_context``: the context of the kubeconfig, which stays the same however ``current-context`` changes.
    ``origin``: where it was read from.
    """

    server: str
    tls: Tls
    context: ssl.SSLContext
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    due: float | None = None
    kube_context: str | None = None
    origin: str = _POD


class Logins:
    """The login in force, which is read again when it is due or refused."""

    def __init__(self, first: Login, read: Callable[[], Awaitable[Login]], *, clock: Clock) -> None:
        self._current = first
        self._read = read
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at = clock.monotonic()

    @property
    def in_force(self) -> Login:
        """The login as it was read last."""
        return self._current

    async def current(self) -> Login:
        """The login in force, read again when it is due; what cannot be read is kept until it is refused."""
        due = self._current.due
        if due is not None and self._clock.monotonic() >= self._read_at + due:
            try:
                return await self.renew(self._current)
            except LoginError as error:
                log.warning("the login cannot be read again: %s", error)
        return self._current

    async def renew(self, refused: Login) -> Login:
        """A login instead of the one that was refused; the same one when it was read a moment ago. LoginError."""
        async with self._reading:
            since = self._clock.monotonic() - self._read_at
            if self._current is refused and since >= LOGIN_PAUSE.total_seconds():
                self._read_at = self._clock.monotonic()
                found = await self._read()
                if found.server != refused.server:
                    raise LoginError(
                        f"the kubeconfig names another server than {refused.server}: restart the operator"
                    )
                if found.tls == refused.tls:  # connections that stand can be used on
                    found = replace(found, context=refused.context)
                self._current = found
            return self._current


async def read_login(kubeconfig: Path | None, *, kube_context: str | None = None) -> Login:
    """By ``kubeconfig`` or KUBECONFIG, else by the pod's service account, else by the user's kubeconfig. LoginError.

    What is named goes first: a pod of a CI has a service account, too, of a cluster that is not meant.
    """
    if _is_in_pod(kubeconfig, kube_context):
        return _of_the_pod()
    return await _of(read_access(kubeconfig_files(kubeconfig, os.environ), context=kube_context))


def current_namespace(kubeconfig: Path | None, *, kube_context: str | None = None) -> str:
    """The namespace of that login, as kubectl has it: the context's, or the pod's own. Raises LoginError."""
    if _is_in_pod(kubeconfig, kube_context):
        return _of_the_account("namespace").decode().strip()
    return read_access(kubeconfig_files(kubeconfig, os.environ), context=kube_context).namespace


def _is_in_pod(kubeconfig: Path | None, kube_context: str | None) -> bool:
    is_named = bool(kubeconfig or kube_context or os.environ.get("KUBECONFIG"))
    return not is_named and "KUBERNETES_SERVICE_HOST" in os.environ


def _of_the_pod() -> Login:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT")
    token, ca = _of_the_account("token").decode().strip(), _of_the_account("ca.crt")
    if not (port and token and ca):
        raise LoginError(f"KUBERNETES_SERVICE_PORT, or a file in {SERVICE_ACCOUNT}, is empty: {_ELSE}")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    tls = Tls(ca=ca)
    return Login(
        server=server,
        tls=tls,
        context=tls.context(_POD),
        headers=(("Authorization", f"Bearer {token}"),),
        proxy=environment_proxy(server, os.environ),
        due=_DUE_SECONDS,
    )


def _of_the_account(name: str) -> bytes:
    try:
        return (SERVICE_ACCOUNT / name).read_bytes()
    except OSError as error:
        raise LoginError(f"{SERVICE_ACCOUNT / name} cannot be read ({in_words(error)}): {_ELSE}") from None


async def _of(access: Access) -> Login:
    cluster, user = access.cluster, dict(access.user)
    cluster_name = f"cluster {access.cluster_name!r} of the kubeconfig"
    user_name = f"user {access.user_name!r} of the kubeconfig"
    if user.get("exec"):
        user |= await run_plugin(access)
    tls = Tls(
        ca=_content(cluster, "certificate-authority", cluster_name),
        certificate=_content(user, "client-certificate", user_name),
        key=_content(user, "client-key", user_name),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )
    server = cluster["server"].rstrip("/")
    return Login(
        server=server,
        tls=tls,
        context=tls.context(f"the current context ({access.cluster_name}, {access.user_name})"),
        headers=(*await _authorization(user, user_name), *_impersonation(user)),
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url") or environment_proxy(server, os.environ),
        kube_context=access.context,
        origin=access.origin,
        due=_DUE_SECONDS if any(cluster.get(name) or user.get(name) for name in FILES) else None,
    )


async def _authorization(user: dict[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    if user.get("tokenFile"):
        header = f"Bearer {_file(user['tokenFile'], f'tokenFile of {where}').decode().strip()}"
    elif user.get("token"):
        header = f"Bearer {user['token']}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        header = f"Basic {b64encode(pair.encode()).decode()}"
    elif user.get("auth-provider"):
        header = await _oidc(user, where)
    else:
        return ()
    return (("Authorization", header),)


async def _oidc(user: dict[str, Any], where: str) -> str:
    """The header by ``kubernetes.aio``, which gets a new token when the one in the file has ended."""
    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - see the module's docstring
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415
    from kubernetes.aio.config.kube_config import KubeConfigLoader  # noqa: PLC0415

    entry = {"cluster": "x", "user": "x"}
    config = {
        "contexts": [{"name": "x", "context": entry}],
        "clusters": [{"name": "x", "cluster": {}}],
        "users": [{"name": "x", "user": user}],
    }
    found = Configuration()
    try:
        loader = KubeConfigLoader(config, active_context="x")  # type: ignore[no-untyped-call]
        await loader.load_and_set(found)  # type: ignore[no-untyped-call]
        return str(found.api_key["BearerToken"])
    except (ConfigException, aiohttp.ClientError, OSError, ValueError, TypeError, KeyError, AttributeError):
        # Not the library's words: they may hold a token.
        raise LoginError(f"auth-provider of {where} gives no token: log in again with kubectl") from None


def _impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    single = (("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")))
    groups = [("Impersonate-Group", each) for each in user.get("as-groups") or []]
    extra = [
        (f"Impersonate-Extra-{name}", each)
        for name, values in (user.get("as-user-extra") or {}).items()
        for each in values
    ]
    return (*((name, value) for name, value in single if value), *groups, *extra)


def _content(fields: Any, name: str, where: str) -> bytes | None:
    if fields.get(f"{name}-data"):
        return b64decode(fields[f"{name}-data"])
    return _file(fields[name], f"{name} of {where}") if fields.get(name) else None


def _file(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise LoginError(
            f"{what} names {path}, which cannot be read ({in_words(error)}): correct it"
        ) from None
