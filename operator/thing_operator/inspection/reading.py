"""What is read of a cluster for it: Things, or the Leases of replicas, with the rights of whoever asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from thing_operator.api.names import THINGS, thing_name_of
from thing_operator.core.errors import INSTALL_CRDS, ToolError, UserError
from thing_operator.core.object_names import is_object_name
from thing_operator.core.reasons import Reason, ToolReason
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.member import GROUP_LABEL


class NoThingError(UserError):
    """There is no Thing of that name, and none for a thing of that name."""

    reason = Reason.API_SERVER_REFUSED


@asynccontextmanager
async def connected(*, kubeconfig: Path | None, kube_context: str | None) -> AsyncIterator[KubeClient]:
    """A client with the user's own rights, which is closed afterwards. Raises LoginError."""
    client = await KubeClient.connect(kubeconfig=kubeconfig, kube_context=kube_context)
    try:
        yield client
    finally:
        await client.close()


async def read_thing(client: ApiClient, key: ObjectKey) -> dict[str, Any]:
    """A Thing by its own name, or else by the name of its thing. Raises NoThingError, and those of read_things."""
    if is_object_name(key.name):
        with suppress(NotFoundError):
            return await client.get(THINGS, key)
    for body in await read_things(client, key.namespace):
        if thing_name_of(body) == key.name:
            return body
    raise NoThingError(f"there is no Thing {key.name} in namespace {key.namespace}: kubectl get things -A")


async def read_things(client: ApiClient, namespace: str | None) -> list[dict[str, Any]]:
    """The Things of a namespace, None for all. Raises ToolError without our CRDs, and errors of ``kube.errors``."""
    try:
        return await client.list(THINGS, namespace=namespace)
    except (NotFoundError, ForbiddenError) as error:
        raise refused(error, namespace) from None


async def read_names(namespace: str, *, kubeconfig: Path | None, kube_context: str | None) -> list[str]:
    """The names of the Things of a namespace. Raises LoginError, and errors of ``kube.errors``."""
    async with connected(kubeconfig=kubeconfig, kube_context=kube_context) as client:
        found = await client.list(THINGS, namespace=namespace, metadata_only=True)
    return [each["metadata"]["name"] for each in found]


def refused(error: NotFoundError | ForbiddenError, namespace: str | None) -> ToolError | ForbiddenError:
    """What a person is to see where Things cannot be listed in a namespace, None for all."""
    if isinstance(error, NotFoundError):
        message = f"the cluster does not know the kind Thing: {INSTALL_CRDS}"
        return ToolError(message, reason=ToolReason.CRDS_MISSING)
    where = "in all namespaces: name one with -n" if namespace is None else f"in namespace {namespace}"
    return ForbiddenError(f"you may not list Things {where} ({error.message})")


async def read_leases(client: ApiClient, namespace: str | None) -> list[dict[str, Any]]:
    """The Leases of replicas in a namespace, None for all. Raises errors of ``kube.errors``."""
    try:
        return await client.list(LEASES, namespace=namespace, label_selector=GROUP_LABEL)
    except ForbiddenError as error:
        where = (
            "in all namespaces: name the release's with -n"
            if namespace is None
            else f"in namespace {namespace}"
        )
        raise ForbiddenError(f"you may not list Leases {where} ({error.message})") from None
