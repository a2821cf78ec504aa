"""``run --check``: what a start would meet, without starting: settings, files, the cluster, the account's rights."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app.announcement import NO_BROKER, where_lines
from thing_operator.config import Settings, SettingsError, read_ca_file, read_proxy
from thing_operator.core.errors import INSTALL_CRDS, ThingOperatorError
from thing_operator.core.resource import Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import CONFIG_MAPS, EVENTS, SECRETS
from thing_operator.leadership.lease import LEASE_NAME, LEASES
from thing_operator.login.errors import LoginError

_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)


class Level(StrEnum):
    """How bad a finding is; only an error keeps the operator from its work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class StartFinding:
    """One thing that was looked at, in a sentence."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Right:
    """What the operator does to a kind. ``for_batches``: needed for ThingBatches only."""

    resource: Resource
    verbs: tuple[str, ...]
    subresource: str = ""
    name: str = ""
    for_batches: bool = False

    @property
    def target(self) -> str:
        """The kind as a Role names it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


RIGHTS: Final = (
    Right(THINGS, ("get", "list", "watch", "patch")),
    Right(BATCHES, ("get", "list", "watch")),
    Right(THINGS, ("patch",), subresource="status"),
    Right(BATCHES, ("patch",), subresource="status"),
    Right(SECRETS, ("get", "list", "watch")),
    Right(CONFIG_MAPS, ("get",)),
    Right(EVENTS, ("create", "patch")),
    Right(LEASES, ("get", "list", "watch", "create", "update", "delete"), name=LEASE_NAME),
    Right(SECRETS, ("create", "patch", "delete"), for_batches=True),
    Right(THINGS, ("create", "delete"), for_batches=True),
    Right(BATCHES, ("patch",), for_batches=True),
)
"""The same as the chart's Role, which says what each is for."""


async def check_start(
    settings: Settings, *, kubeconfig: Path | None, kube_context: str | None = None
) -> AsyncIterator[StartFinding]:
    """What a start with valid settings would meet; a cluster that cannot be reached is a warning."""
    for finding in _of_settings(settings):
        yield finding
    try:
        client = await KubeClient.connect(kubeconfig=kubeconfig, kube_context=kube_context)
    except LoginError as error:
        yield StartFinding(Level.WARNING, f"no cluster was asked: {error.message}")
        return
    try:
        login = client.login
        for line in where_lines(settings, server=login.server, origin=login.origin):
            yield StartFinding(Level.OK, line)
        for namespace in settings.namespaces or (None,):
            for finding in await _of_namespace(client, namespace, home=settings.lease.namespace):
                yield finding
    except ThingOperatorError as error:
        yield StartFinding(Level.WARNING, f"the cluster's rights were not checked: {error.message}")
    finally:
        await client.close()


def _of_settings(settings: Settings) -> Iterator[StartFinding]:
    yield StartFinding(Level.OK, "the settings are valid")
    if settings.endpoint.host is None:
        yield StartFinding(Level.WARNING, NO_BROKER)
    try:
        if settings.endpoint.ca_file is not None:
            read_ca_file(settings.endpoint.ca_file)
        read_proxy(settings.session)
    except SettingsError as error:
        # It may be there where the operator runs.
        yield StartFinding(Level.WARNING, f"on this machine: {error.message}")


async def _of_namespace(client: ApiClient, namespace: str | None, *, home: str) -> list[StartFinding]:
    where = f"namespace {namespace}" if namespace else "all namespaces"
    found = []
    if not await _knows_things(client, namespace):
        found.append(StartFinding(Level.ERROR, f"{where}: the cluster does not know Things: {INSTALL_CRDS}"))
    for for_batches, level in ((False, Level.ERROR), (True, Level.WARNING)):
        rights = [right for right in RIGHTS if right.for_batches is for_batches]
        what = "what ThingBatches need" if for_batches else "what Things need"
        denied = [each for right in rights for each in await _denied(client, right, namespace, home=home)]
        if denied:
            text = f"{where}: the account may not do {what}: {', '.join(denied)}: have its Role or ClusterRole extended"
            found.append(StartFinding(level, text))
        else:
            found.append(StartFinding(Level.OK, f"{where}: the account may do {what}"))
    return found


async def _knows_things(client: ApiClient, namespace: str | None) -> bool:
    pages = client.pages(THINGS, namespace=namespace, query={"limit": "1"}, metadata_only=True)
    async with aclosing(pages):
        try:
            await anext(pages)
        except NotFoundError:
            return False
        except ForbiddenError:
            pass  # the rights say it
    return True


async def _denied(client: ApiClient, right: Right, namespace: str | None, *, home: str) -> list[str]:
    asked_in = namespace or (home if right.resource is LEASES else None)
    answers = await asyncio.gather(*(_may(client, right, verb, asked_in) for verb in right.verbs))
    return [f"{verb} {right.target}" for verb, may in zip(right.verbs, answers, strict=True) if not may]


async def _may(client: ApiClient, right: Right, verb: str, namespace: str | None) -> bool:
    attributes = {
        "verb": verb,
        "group": right.resource.group,
        "resource": right.resource.plural,
        "subresource": right.subresource,
        "name": right.name,
        "namespace": namespace or "",
    }
    body = {
        "apiVersion": _REVIEWS.api_version,
        "kind": _REVIEWS.kind,
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.create(_REVIEWS, "", body)  # in no namespace, as the kind is
    return bool(answer["status"]["allowed"])
