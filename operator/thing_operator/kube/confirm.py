"""Asking again before it is believed that an object is not there."""

from typing import Any

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient


async def get_confirmed(client: ApiClient, resource: Resource, key: ObjectKey) -> dict[str, Any]:
    """As ``get`` of the client, but a single 404 may be a mistake of something in between: NotFoundError is raised
    only when a second request says so, too.
    """
    try:
        return await client.get(resource, key)
    except NotFoundError:
        return await client.get(resource, key)
