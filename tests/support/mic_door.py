"""A door before MIC's API: what goes through is recorded, and held back where a test says so."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.operator import Workspace

from thing_operator_local.cloud.certificates import server_authority
from thing_operator_local.cloud.client import CloudInfo, MicSession
from thing_operator_local.ports import LOOPBACK

Json = dict[str, Any]

ORDER = "POST /prod/thingbatches"
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

    @property
    def settings(self) -> dict[str, str]:
        """Of an operator that goes through it."""
        return {
            "THING_OPERATOR_BATCH__CA_FILE": str(self.ca_file),
            "THING_OPERATOR_BATCH__MANIFEST_URL": f"{self.url}/manifest/",
        }

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
