"""What is read of a cluster around Things: what belongs together, and what of it the user may not see."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.inspection.bodies import secret_name_of
from thing_operator.inspection.explain import ThingContext, explain
from thing_operator.inspection.groups import groups_of
from thing_operator.inspection.model import ObjectTree, ThingExplanation
from thing_operator.inspection.reading import read_leases, read_thing, read_things
from thing_operator.inspection.tree import tree_of
from thing_operator.kube.errors import ForbiddenError
from thing_operator.kube.ports import ApiClient, named
from thing_operator.kube.resources import EVENTS, SECRETS


async def read_tree(client: ApiClient, namespace: str) -> ObjectTree:
    """The ThingBatches, Things and Secrets of a namespace. Of Secrets, which a viewer may not list, names alone."""
    things, batches, secrets = await asyncio.gather(
        read_things(client, namespace),
        client.list(BATCHES, namespace=namespace),
        _or_refusal(client.list(SECRETS, namespace=namespace, metadata_only=True)),
    )
    known, notes = None, []
    if isinstance(secrets, ForbiddenError):
        notes.append("you may not list Secrets here: what is said of them is what their Things say")
    else:
        known = secrets
    return tree_of(namespace, batches=batches, things=things, secrets=known, notes=notes)


async def read_explanation(client: ApiClient, key: ObjectKey) -> ThingExplanation:
    """One Thing, and what is around it as far as the user may see it. Raises as :func:`read_thing`."""
    body, leases = await asyncio.gather(read_thing(client, key), _or_refusal(read_leases(client, None)))
    secret = secret_name_of(body)
    of_secret = named(str(secret))  # of None nothing is found: no object has a capital in its name
    of_thing = f"involvedObject.kind={THINGS.kind},involvedObject.name={body['metadata']['name']}"
    secrets, events = await asyncio.gather(
        _or_refusal(_all(client, SECRETS, key.namespace, of_secret, metadata_only=True)),
        _or_refusal(_all(client, EVENTS, key.namespace, {"fieldSelector": of_thing}, metadata_only=False)),
    )
    notes = []
    if isinstance(secrets, ForbiddenError) and secret is not None:
        notes.append("you may not list Secrets here: what is said of this one is what the operator has found")
    if isinstance(events, ForbiddenError):
        notes.append("you may not list Events here")
    if isinstance(leases, ForbiddenError):
        notes.append("you may not list Leases of all namespaces: whether an operator is alive is not known")
    context = ThingContext(
        groups=None if isinstance(leases, ForbiddenError) else groups_of(leases, now=datetime.now(UTC)),
        secret_is_there=None if isinstance(secrets, ForbiddenError) or secret is None else bool(secrets),
        events=None if isinstance(events, ForbiddenError) else events,
        notes=tuple(notes),
    )
    return explain(body, context)


async def _all(
    client: ApiClient, resource: Resource, namespace: str, query: Mapping[str, str], *, metadata_only: bool
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    pages = client.pages(resource, namespace=namespace, query=query, metadata_only=metadata_only)
    async for page in pages:
        found += page["items"]
    return found


async def _or_refusal(asked: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]] | ForbiddenError:
    """What is there, or that it may not be seen."""
    try:
        return await asked
    except ForbiddenError as error:
        return error
