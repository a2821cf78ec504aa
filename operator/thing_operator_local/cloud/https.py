"""One HTTPS request to a local cloud, blocking."""

import json
import os
import ssl
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from thing_operator_local.errors import LocalError

_TIMEOUT: Final = 30.0

Json = dict[str, Any]


class CloudRefusedError(LocalError):
    """The cloud answered with an error; ``status`` is HTTP's."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def request(
    context: ssl.SSLContext,
    method: str,
    url: str,
    *,
    body: Json | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The content of the answer. Raises CloudRefusedError for an error, LocalError when there is no answer."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    data = None if body is None else json.dumps(body)
    kind = {"Content-Type": "application/json"} if data else {}
    connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT, context=context)
    with closing(connection):
        try:
            connection.request(method, path, body=data, headers={**kind, **(headers or {})})
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as error:
            where = f"{parts.hostname}:{parts.port}"
            number = getattr(error, "errno", None)
            why = f" ({os.strerror(number)})" if number and number > 0 else ""
            raise LocalError(f"the cloud at {where} does not answer{why}: see that it still runs") from None
    if response.status >= 300:
        raise CloudRefusedError(
            f"{method} {parts.path}: {response.status} {_message(content)}", status=response.status
        )
    return content


def _message(content: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(content).get("message", ""))
    return content[:200].decode(errors="replace")
