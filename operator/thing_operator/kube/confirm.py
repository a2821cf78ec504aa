"""Asking again before it is believed that an object is not there."""

from typing import Any

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, NotFoundError
from thing_operator.kube.ports import ApiClient


async def get_confirmed(
    client: ApiClient, resource: Resource, key: ObjectKey, *, not_before: str | None = None
) -> dict[str, Any]:
    """As ``get`` of the client, but a single 404 may be a mistake of something in between: NotFoundError is raised
    only when a second request says so, too.

    ``not_before``: a resource version that the API server has shown. As of then the object costs it half as much,
    from its watch cache; what has come about since, or a server that has not come so far, the second request sees.
    """
    try:
        return await client.get(resource, key, not_before=not_before)
    except NotFoundError:
        return await client.get(resource, key)
    except ApiUnavailableError:
        if not_before is None:
            raise
        return await client.get(resource, key)
