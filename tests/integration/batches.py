"""What the tests of ThingBatches apply."""

import json
from typing import Any

from tests.support.operator import Json, Workspace

from thing_operator_local.cloud.client import MicSession


def batch_spec(**more: Any) -> Json:
    return {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}} | more


def create_things(desired: Json) -> Json:
    return {"things": {"create": True, "template": {"spec": {"desired": desired}}}}


def batch_url(workspace: Workspace, size: int) -> str:
    """The presigned address of a fresh batch's zip."""
    session = MicSession(workspace.cloud.info)
    batch_id = session.order_batch(size, thing_type="freezer", domain="root", key_type="ec")
    session.wait_for_batch(batch_id)
    return next(str(item["url"]) for item in session.batches() if item["batchId"] == batch_id)


def store(workspace: Workspace, name: str, **values: str) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    workspace.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(body))


Results = dict[str, Json]


def results(workspace: Workspace, batch: str = "b") -> Results:
    """What became of each thing, by its name."""
    status = workspace.get(batch, kind="thingbatch")["status"]
    return {found["name"]: found for found in status.get("things", [])}
