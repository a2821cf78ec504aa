"""The operator's process is killed while it has MIC make a batch: nothing is ordered twice, nothing is lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.mic_door import ORDER, Door, batches, cloud_source, order
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import MicSession

Json = dict[str, Any]


@pytest.fixture
def door(workspace: Workspace, tmp_path: Path) -> Iterator[Door]:
    """Between the operator and MIC."""
    found = Door(workspace.cloud.info, tmp_path)
    with found.open():
        workspace.operator.stop()
        workspace.operator.settings = found.settings
        workspace.operator.start()
        yield found
        workspace.operator.stop()


def order_in_status(workspace: Workspace) -> Json:
    found: Json = workspace.get("b", kind="thingbatch").get("status", {}).get("order", {})
    return found


def secrets(workspace: Workspace) -> list[Json]:
    return [body for body in workspace.list("secrets") if body["type"] == "kubernetes.io/tls"]


def test_killed_before_mic_has_the_order(workspace: Workspace, door: Door) -> None:
    door.held = lambda what: what == ORDER
    order(workspace, "before")
    eventually(lambda: ORDER in door.seen, "ordered")
    assert order_in_status(workspace)["nonce"]
    workspace.operator.stop(grace=0)
    door.release()
    # Two minutes are given to MIC's list to show the batch: they have passed while the operator was away.
    past = (datetime.now(UTC) - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    patch = f"--patch={json.dumps({'status': {'order': {'time': past}}})}"
    workspace.kubectl("patch", "thingbatch", "b", "--subresource=status", "--type=merge", patch)
    workspace.operator.start()
    found = workspace.wait_for("b", "Stalled", reason="OrderUnknown", kind="thingbatch")
    assert "shows no new batch like it; it is not sent again" in found["message"]
    assert batches(workspace, "before") == []
    # What a person does then: the batch is ordered by hand, and named.
    session = MicSession(workspace.cloud.info)
    batch_id = session.order_batch(2, thing_type="before", domain="root", key_type="ec")
    workspace.apply(
        "ThingBatch", "b", {"source": {"cloudApi": cloud_source("before") | {"batchId": batch_id}}}
    )
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert len(secrets(workspace)) == 2
    assert door.seen.count(ORDER) == 1


def check_made_once(workspace: Workspace, door: Door, thing_type: str) -> None:
    """The next operator takes up the one batch that was ordered."""
    workspace.operator.start()
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert batches(workspace, thing_type) == [order_in_status(workspace)["batchId"]]
    assert len(secrets(workspace)) == 2
    assert door.seen.count(ORDER) == 1


def test_killed_before_the_answer_to_the_order_is_here(workspace: Workspace, door: Door) -> None:
    door.unanswered = lambda what: what == ORDER
    order(workspace, "between")
    eventually(lambda: ORDER in door.done, "MIC has the order")
    assert "batchId" not in order_in_status(workspace)
    workspace.operator.stop(grace=0)
    door.release()
    check_made_once(workspace, door, "between")


def test_killed_while_mic_makes_the_batch(workspace: Workspace, door: Door) -> None:
    unfinished = ("finishedAt", "url", "errors")
    door.edited = lambda item: (
        {key: value for key, value in item.items() if key not in unfinished} | {"currentSize": 1}
    )
    order(workspace, "after")
    eventually(lambda: order_in_status(workspace).get("currentSize") == 1, "the progress is in status")
    found = workspace.wait_for("b", "Ready", "False", reason="Progressing", kind="thingbatch")
    assert found["message"] == "MIC has made 1 of 2 things"
    workspace.operator.stop(grace=0)
    assert secrets(workspace) == []
    door.release()
    check_made_once(workspace, door, "after")


def test_killed_in_the_middle_of_an_import(workspace: Workspace) -> None:
    """Some Secrets are there, status knows of none: they are the batch's all the same, and not written again."""
    data = workspace.cloud.create_batch(500, key_type="ec")
    workspace.store_zip(data)
    spec = {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}}
    workspace.apply("ThingBatch", "b", spec)
    eventually(lambda: len(workspace.versions("secrets")) > 20, "some Secrets")
    workspace.operator.stop(grace=0)
    before = workspace.versions("secrets")
    workspace.operator.start()
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    after = workspace.versions("secrets")
    assert len(after) == 500 + len(before.keys() - {f"thing-{name}" for name in workspace.cloud.things(data)})
    assert before.items() <= after.items()
