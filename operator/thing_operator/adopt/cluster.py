"""What the cluster has: Things, which are left as they are, and Secrets with things' certificates."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from thing_operator.adopt.model import Cluster, FoundThing
from thing_operator.api import names
from thing_operator.api.names import THINGS, thing_name_of
from thing_operator.core.errors import INSTALL_CRDS, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.core.thing_names import secret_name
from thing_operator.credentials import CredentialsError, check_keys
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS

_PREFIX = secret_name("")[: len("thing-")]


async def read_cluster(client: ApiClient, namespace: str) -> Cluster:
    """The Things of all namespaces, or of this one where the others may not be seen.

    Raises ToolError without our CRDs, and the errors of ``kube.errors``.
    """
    try:
        found = await client.list(THINGS)
    except ForbiddenError:
        found = await client.list(THINGS, namespace=namespace)
    except NotFoundError:
        raise ToolError(
            f"the cluster does not know the kind Thing: {INSTALL_CRDS}, or do without the cluster (--no-cluster)",
            reason=ToolReason.CRDS_MISSING,
        ) from None
    return cluster_of(found)


def cluster_of(things: Iterable[Mapping[str, Any]]) -> Cluster:
    """The Things of a list, by the thing that they run and by their own names."""
    by_place: dict[str, str] = {}
    for body in things:
        meta = body["metadata"]
        by_place[f"{meta['namespace']}/{meta['name']}"] = thing_name_of(body)
    return Cluster(by_thing={thing: place for place, thing in by_place.items()}, things=by_place)


async def things_in_secrets(client: ApiClient, namespace: str, *, now: datetime) -> tuple[FoundThing, ...]:
    """The things whose certificates are in Secrets of a namespace. Raises the errors of ``kube.errors``."""
    bodies = await client.list(SECRETS, namespace=namespace, page_size=50)
    return tuple(things_of(bodies, now=now))


def things_of(secrets: Iterable[Mapping[str, Any]], *, now: datetime) -> Iterator[FoundThing]:
    """The things of a list of Secrets. Which thing one is for says its annotation, or its name; others are left out."""
    for body in secrets:
        meta = body["metadata"]
        annotations = meta.get("annotations") or {}
        name = annotations.get(names.THING_NAME_ANNOTATION) or _named(meta["name"])
        if name is None and not meta["name"].startswith(_PREFIX):
            continue
        if name is None:
            hint = (
                f"which thing Secret {meta['name']} is for is not known: kubectl annotate secret {meta['name']} "
                f"{names.THING_NAME_ANNOTATION}=<thing name>"
            )
            yield FoundThing(meta["name"], f"Secret {meta['name']}", problem=hint)
        else:
            yield _in_secret(name, body, now=now)


def _named(name: str) -> str | None:
    thing = name.removeprefix(_PREFIX)
    return thing if name.startswith(_PREFIX) and secret_name(thing) == name else None


def _in_secret(thing: str, body: Mapping[str, Any], *, now: datetime) -> FoundThing:
    name = body["metadata"]["name"]
    found = FoundThing(thing, f"Secret {name}", secret_name=name)
    try:
        data = {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}
        credentials = check_keys(data, now=now)
    except (CredentialsError, binascii.Error) as error:
        words = error.message if isinstance(error, CredentialsError) else "its data is no base64"
        return FoundThing(thing, found.source, problem=f"Secret {name}: {words}", secret_name=name)
    return FoundThing(thing, found.source, credentials=credentials, secret_name=name)
