"""A write of a status as a request to the API server, and what is asked when it was refused."""

from typing import Any

from thing_operator.core.json_bytes import encoded
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient, Operations
from thing_operator.kube.status_entry import Encoded


def status_patch(
    ref: ObjectRef, status: Encoded, *, if_version: str | None = None, guard: str | None = None
) -> Operations:
    """The JSON Patch that writes a status, provided that the object is still the same one.

    With ``if_version`` or ``guard`` only as long as it has that resourceVersion: another one is answered by 422 where
    it is ``if_version``, like all that is wrong with a patch, and by 409 where it is ``guard``.
    """
    tests = {"/metadata/uid": ref.uid} | ({"/metadata/resourceVersion": if_version} if if_version else {})
    return [
        *({"op": "test", "path": path, "value": value} for path, value in tests.items()),
        *([{"op": "add", "path": "/metadata/resourceVersion", "value": guard}] if guard else []),
        {"op": "add", "path": "/status", "value": encoded(status)},
    ]


async def read(client: ApiClient, ref: ObjectRef) -> dict[str, Any] | None:
    """The object of this uid as it is; None when there is none, as a request of its own says: a single 404 may be a
    mistake, and what is refused may be the status and not the uid.
    """
    try:
        body = await client.get(ref.resource, ref.key)
    except NotFoundError:
        return None
    return body if body["metadata"]["uid"] == ref.uid else None
