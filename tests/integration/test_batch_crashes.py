"""The operator's process is killed while it has MIC make a batch: nothing is ordered twice, nothing is lost."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.certificates import server_authority
from thing_operator_local.cloud.client import CloudInfo, MicSession
from thing_operator_local.ports import LOOPBACK

Json = dict[str, Any]

_ORDER = "POST /prod/thingbatches"
_LIST = "GET /prod/thingbatches"
_SENT_ON = ("x-api-key", "Authorization", "Content-Type")


class Door:
    """Stands before MIC's API. It keeps a record of what comes, and holds back what it is asked to hold.

    ``held``: these requests do not reach MIC. ``unanswered``: these do, and the answer does not come back.
    ``edited`` changes what the list says of each batch.
    """

    def __init__(self, info: CloudInfo, folder: Path) -> None:
        self._info = info
        self.seen: list[str] = []
        self.done: list[str] = []
        self.held: Callable[[str], bool] = lambda _what: False
        self.unanswered: Callable[[str], bool] = lambda _what: False
        self.edited: Callable[[Json], Json] = lambda item: item
        self.released = threading.Event()
        credentials = server_authority(folder).server()
        (folder / "door.pem").write_text(credentials.certificate + credentials.private_key)
        self.ca_file = folder / "both.pem"
        roots = [*folder.glob("*.crt"), info.ca]
        self.ca_file.write_text("".join(each.read_text() for each in roots))
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "door.pem")
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}"

    def release(self) -> None:
        """Nothing is held or edited any more; what was held is dropped."""
        self.edited = lambda item: item
        self.held = self.unanswered = lambda _what: False
        self.released.set()

    @contextmanager
    def open(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.release()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.forward()

            def do_POST(self) -> None:
                self.forward()

            def forward(self) -> None:
                what = f"{self.command} {urlsplit(self.path).path}"
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                door.seen.append(what)
                if door.held(what):
                    door.released.wait()
                    return
                status, content = door.ask(self, body)
                door.done.append(what)
                if door.unanswered(what):
                    door.released.wait()
                    return
                if what == _LIST and status == HTTPStatus.OK:
                    content = json.dumps([door.edited(item) for item in json.loads(content)]).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the library's
                """The record is ours."""

        return Handler

    def ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        """Of MIC itself; its manifests lead back through the door."""
        context = ssl.create_default_context(cafile=self._info.ca)
        where = urlsplit(self._info.api)
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, context=context, timeout=60
        )
        headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
        try:
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().replace(
                json.dumps(self._info.api).encode(), json.dumps(self.url).encode()
            )
        finally:
            connection.close()


@pytest.fixture
def door(workspace: Workspace, tmp_path: Path) -> Iterator[Door]:
    """Between the operator and MIC."""
    found = Door(workspace.cloud.info, tmp_path)
    with found.open():
        workspace.operator.stop()
        workspace.operator.settings = {
            "THING_OPERATOR_BATCH__CA_FILE": str(found.ca_file),
            "THING_OPERATOR_BATCH__MANIFEST_URL": f"{found.url}/manifest/",
        }
        workspace.operator.start()
        yield found
        workspace.operator.stop()


def order(workspace: Workspace, thing_type: str) -> None:
    """A ThingBatch of two things; each test has a thing type of its own, and so finds only its own batches."""
    info = workspace.cloud.info
    account = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "account"},
        "stringData": {"userName": info.user_name, "password": info.password},
    }
    workspace.kubectl("apply", "--filename=-", stdin=json.dumps(account))
    workspace.apply("ThingBatch", "b", {"source": {"cloudApi": cloud_source(thing_type)}})


def cloud_source(thing_type: str) -> Json:
    return {
        "host": "localhost",
        "accountSecretName": "account",
        "thingType": thing_type,
        "domain": "root",
        "size": 2,
    }


def batches(workspace: Workspace, thing_type: str) -> list[str]:
    """MIC's batches of the thing type."""
    found = MicSession(workspace.cloud.info).batches()
    return [item["batchId"] for item in found if item["attributes"]["thingType"] == thing_type]


def order_in_status(workspace: Workspace) -> Json:
    found: Json = workspace.get("b", kind="thingbatch").get("status", {}).get("order", {})
    return found


def secrets(workspace: Workspace) -> list[Json]:
    return [body for body in workspace.list("secrets") if body["type"] == "kubernetes.io/tls"]


def test_killed_before_mic_has_the_order(workspace: Workspace, door: Door) -> None:
    door.held = lambda what: what == _ORDER
    order(workspace, "before")
    eventually(lambda: _ORDER in door.seen, "ordered")
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
    assert door.seen.count(_ORDER) == 1


def check_made_once(workspace: Workspace, door: Door, thing_type: str) -> None:
    """The next operator takes up the one batch that was ordered."""
    workspace.operator.start()
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert batches(workspace, thing_type) == [order_in_status(workspace)["batchId"]]
    assert len(secrets(workspace)) == 2
    assert door.seen.count(_ORDER) == 1


def test_killed_before_the_answer_to_the_order_is_here(workspace: Workspace, door: Door) -> None:
    door.unanswered = lambda what: what == _ORDER
    order(workspace, "between")
    eventually(lambda: _ORDER in door.done, "MIC has the order")
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
