"""AWS's REST data plane as a thing uses it."""

import json
from contextlib import closing
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.support.devices import WITHIN, tls_context

from thing_operator_local.cloud.client import CloudThing, LocalCloud


class Rest:
    """Requests as a thing makes them; answers as status, typed error and JSON. ``request_ids`` has each answer's."""

    def __init__(self, cloud: LocalCloud, identity: CloudThing) -> None:
        self.request_ids: list[str] = []
        self._where = urlsplit(cloud.info.data_plane)
        self._context = tls_context(cloud.info.ca, identity.certificate_pem, identity.private_key_pem)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, str | None, Any]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        host, port = self._where.hostname or "", self._where.port
        with closing(HTTPSConnection(host, port, timeout=WITHIN, context=self._context)) as connection:
            connection.request(method, path, data)
            response = connection.getresponse()
            assert response.headers["Content-Type"].startswith("application/json")
            self.request_ids.append(response.headers["x-amzn-RequestId"])
            return response.status, response.headers["x-amzn-errortype"], json.loads(response.read())
