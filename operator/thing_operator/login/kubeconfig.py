"""What a kubeconfig says, merged and checked as kubectl does it: pure, but for the reading of files.

The merger and the loader of ``kubernetes.aio`` take the last ``current-context`` where kubectl takes the first, go on
without a user that is missing, and pass over what they do not know (``as``, ``exec.provideClusterInfo``, a CA beside
``insecure-skip-tls-verify``). What is not supported is refused here, in a sentence that names the field.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from thing_operator.core.error_words import in_words
from thing_operator.login.errors import LoginError
from thing_operator.login.proxies import checked_proxy

DEFAULT_NAMESPACE = "default"
_DEFAULT = Path(".kube") / "config"
_IN_PAIRS = ("certificate-authority", "client-certificate", "client-key")
"""Fields that name a file and may hold its content instead, as ``<field>-data``."""
FILES = (*_IN_PAIRS, "tokenFile")
"""Fields that name a file."""
_EXEC_VERSIONS = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
_WITHOUT_AS = ("as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True, slots=True)
class Access:
    """The cluster and the user of a context, by their fields, every path in them absolute; and its namespace."""

    context: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any] = field(repr=False)
    cluster_name: str
    user_name: str
    namespace: str = DEFAULT_NAMESPACE
    files: tuple[Path, ...] = ()

    @property
    def origin(self) -> str:
        """Where all that is from, for a person who may have meant another cluster."""
        return f"context {self.context} of {os.pathsep.join(map(str, self.files))}"


def kubeconfig_files(explicit: Path | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that count: the one that was named, else those of KUBECONFIG that exist, else ``~/.kube/config``.

    Raises LoginError when there is none.
    """
    named = [str(explicit)] if explicit else environment.get("KUBECONFIG", "").split(os.pathsep)
    paths = [Path(each).expanduser() for each in named if each] or [Path.home() / _DEFAULT]
    found = tuple(path for path in paths if path.is_file())
    if not found:
        names = os.pathsep.join(str(path) for path in paths)
        raise LoginError(
            f"there is no kubeconfig {names}: set KUBECONFIG, or run in a pod with a service account"
        )
    return found


def read_access(paths: Sequence[Path], *, context: str | None = None) -> Access:
    """What ``context`` of these files gives, by default the current one. Raises LoginError.

    Of what several files name, the first one counts.
    """
    contents = [_read(path) for path in paths]
    try:
        return replace(choose(contents, context=context), files=tuple(paths))
    except (TypeError, AttributeError, ValueError):
        # Not the error's own words, as below.
        raise LoginError(
            "the context of the kubeconfig has a field that is none: compare it with `kubectl config view`"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_bytes()) or {}
    except OSError as error:
        raise LoginError(f"the kubeconfig {path} cannot be read ({in_words(error)}): correct it") from None
    except (yaml.YAMLError, ValueError):
        content = None
    try:
        return _with_absolute_paths(content, path.absolute().parent)
    except (TypeError, KeyError, AttributeError, ValueError):
        # Not the error's own words: they may quote the file, and a token stands in it.
        raise LoginError(f"{path} is not a kubeconfig: correct it") from None


def _with_absolute_paths(content: Any, folder: Path) -> dict[str, Any]:
    """Entries by kind and name. Paths are relative to the file that they stand in."""
    merged: dict[str, Any] = {"current-context": content.get("current-context") or ""}
    for kind, entry in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        merged[kind] = {}
        for each in content.get(kind) or []:
            fields = dict(each.get(entry) or {})
            fields |= {name: str(folder / fields[name]) for name in FILES if fields.get(name)}
            if fields.get("exec"):
                fields["exec"] = _exec_with_absolute_command(fields["exec"], folder)
            merged[kind].setdefault(each["name"], fields)
    return merged


def _exec_with_absolute_command(plugin: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A command with a slash is a file beside the kubeconfig, one without is looked for in PATH."""
    command = plugin.get("command") or ""
    return dict(plugin) | {"command": str(folder / command) if "/" in command else command}


def choose(files: Sequence[Mapping[str, Any]], *, context: str | None = None) -> Access:
    """The same of contents, with entries by kind and name."""
    current = context or next((name for each in files if (name := each["current-context"])), "")
    if not current:
        raise LoginError(
            "the kubeconfig has no current-context: choose one with `kubectl config use-context`"
        )
    known = sorted({name for each in files for name in each["contexts"]})
    if context and context not in known:
        raise LoginError(
            f"the kubeconfig has no context {context!r}, but {', '.join(known)}: name one of those"
        )
    chosen = _entry(files, "contexts", current, wanted_by="current-context")
    where = f"context {current!r}"
    cluster_name, user_name = chosen.get("cluster") or "", chosen.get("user") or ""
    cluster = _entry(files, "clusters", cluster_name, wanted_by=where)
    user = _entry(files, "users", user_name, wanted_by=where) if user_name else {}
    _check_cluster(cluster, f"cluster {cluster_name!r} of the kubeconfig")
    _check_user(user, f"user {user_name!r} of the kubeconfig")
    namespace = str(chosen.get("namespace") or DEFAULT_NAMESPACE)
    return Access(current, cluster, user, cluster_name, user_name, namespace)


def _entry(files: Sequence[Mapping[str, Any]], kind: str, name: str, *, wanted_by: str) -> Mapping[str, Any]:
    for each in files:
        if name in each[kind]:
            found: Mapping[str, Any] = each[kind][name]
            return found
    raise LoginError(
        f"{wanted_by} of the kubeconfig names {name!r}, which {kind} do not have: correct either"
    )


def _check_cluster(cluster: Mapping[str, Any], where: str) -> None:
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("https://", "http://")):
        raise LoginError(f"server of {where} is no URL: write it as https://HOST:PORT")
    if cluster.get("insecure-skip-tls-verify") and _given(cluster, "certificate-authority"):
        raise LoginError(
            f"{where} has certificate-authority and insecure-skip-tls-verify: remove the latter, "
            "so that the certificate is checked"
        )
    if cluster.get("proxy-url"):
        checked_proxy(cluster["proxy-url"], field=f"proxy-url of {where}")
    _check_content(cluster, where)


def _check_user(user: Mapping[str, Any], where: str) -> None:
    _check_content(user, where)
    if _given(user, "client-certificate") != _given(user, "client-key"):
        raise LoginError(f"{where} has one of client-certificate and client-key: add the other")
    provider = (user.get("auth-provider") or {}).get("name")
    ways = {
        "token": user.get("token") or user.get("tokenFile"),
        "username": user.get("username") or user.get("password"),
        "exec": user.get("exec"),
        "auth-provider": provider,
    }
    used = [way for way, value in ways.items() if value]
    if len(used) > 1:
        raise LoginError(f"{where} has {' and '.join(used)}, of which one can be used: remove the others")
    if provider not in {None, "oidc"}:
        raise LoginError(
            f"auth-provider {provider!r} of {where} is not supported, by kubectl neither: "
            "use the provider's exec plugin"
        )
    if not user.get("as") and any(user.get(name) for name in _WITHOUT_AS):
        raise LoginError(f"{where} has {', '.join(_WITHOUT_AS)} or one of them without as: add as")
    if user.get("exec"):
        _check_exec(user["exec"], where)


def _check_exec(plugin: Mapping[str, Any], where: str) -> None:
    if not plugin.get("command"):
        raise LoginError(f"exec of {where} has no command: name the plugin")
    if plugin.get("apiVersion") not in _EXEC_VERSIONS:
        versions = " or ".join(sorted(_EXEC_VERSIONS))
        raise LoginError(f"exec.apiVersion of {where} is not supported: use {versions}")
    if plugin.get("interactiveMode") == "Always":
        raise LoginError(
            f"exec.interactiveMode of {where} is Always, and the operator has no terminal to answer at: "
            "use IfAvailable or a login without questions"
        )


def _check_content(fields: Mapping[str, Any], where: str) -> None:
    for name in _IN_PAIRS:
        content = fields.get(f"{name}-data")
        if content and fields.get(name):
            raise LoginError(f"{where} has {name} and {name}-data: remove one of them")
        try:
            base64.b64decode(content or "", validate=True)
        except (ValueError, TypeError):
            raise LoginError(f"{name}-data of {where} is not base64: correct it") from None


def _given(fields: Mapping[str, Any], name: str) -> bool:
    return bool(fields.get(name) or fields.get(f"{name}-data"))
