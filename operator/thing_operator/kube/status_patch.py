"""The JSON Patch by which a status is written."""

from thing_operator.core.json_bytes import encoded
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.ports import Operations
from thing_operator.kube.status_entry import Encoded


def status_patch(ref: ObjectRef, status: Encoded, if_version: str | None) -> Operations:
    """It writes the status whole, provided that the object is still the same one, in the version ``if_version``."""
    tests = {"/metadata/uid": ref.uid} | ({"/metadata/resourceVersion": if_version} if if_version else {})
    return [
        *({"op": "test", "path": path, "value": value} for path, value in tests.items()),
        {"op": "add", "path": "/status", "value": encoded(status)},
    ]
