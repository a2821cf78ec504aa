"""What the API server says when it refuses: its own words, as far as they may be shown. Pure."""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode
from thing_operator.kube.errors import (
    ApiUnavailableError,
    InitializingError,
    NamespaceTerminatingError,
    NoNamespaceError,
    ShardSelectorError,
    error_of,
)
from thing_operator.kube.outage import NOT_THE_API_SERVER
from thing_operator.kube.ports import Body, Operations

_WINDOW = 8
"""So many characters in a row of what was sent as data are taken for a quotation of it."""
_NEEDS_STATUS = frozenset({400, 403, 404, 409, 410, 422})
"""What the API server says of an object or a right comes with a Status."""
_NO_SUCH_PATH = b"404 page not found"
"""But for a path that it does not serve, as of a kind whose CRD is missing."""
_TOO_LARGE = "request is too large"
"""etcd's words for an object beyond its limit, which come as the API server's own trouble."""
_INITIALIZING = "storage is (re)initializing"
"""What stands in a 429 while the API server fills its memory of a kind."""
_BAD_SHARD_SELECTOR = "invalid shard selector"
"""What stands in a 500 that no other try makes better."""
_CONTENT = ("data", "stringData")
_CONTENT_PATHS = tuple(f"/{name}" for name in _CONTENT)
_OF_AUTHORIZATION = re.compile(r"\bcannot \S+ (?:resource|path) ")
_OF_ADMISSION = re.compile(r"\bdenied (?:the )?request\b")


def refusal(
    status: int, content: bytes, *, action: str, phrase: str, sent: Body | Operations | None
) -> ThingOperatorError:
    """The error of an HTTP answer that says no.

    ``action`` says what was asked, ``phrase`` is what stands beside the status, ``sent`` the body of the request. The
    API server's own words are shown, unless they quote what ``sent`` has as the content of a Secret or ConfigMap: then
    only the reason and the fields.
    """
    answer = _status_of(content)
    if not answer and status in _NEEDS_STATUS and not content.startswith(_NO_SUCH_PATH):
        return ApiUnavailableError(f"{action}: {status} without a Status: {NOT_THE_API_SERVER}")
    details: Mapping[str, Any] = answer.get("details") or {}
    if status == 404 and details.get("kind") == "namespaces" and sent is not None:
        name = details.get("name")
        return NoNamespaceError(f"namespace {name} does not exist: kubectl create namespace {name}")
    causes: list[Mapping[str, Any]] = details.get("causes") or []
    if any(cause.get("reason") == NamespaceTerminatingError.reason for cause in causes):
        return NamespaceTerminatingError(f"{action}: the namespace is being deleted")
    words = str(answer.get("message") or phrase)
    if status == 429 and _INITIALIZING in words:
        return InitializingError(f"{action}: {status} {words}")
    if status >= 500 and _BAD_SHARD_SELECTOR in words:
        return ShardSelectorError(f"{action}: {status} {words}")
    if status >= 500 and _TOO_LARGE in words:
        status = 413
    # Nothing but a write is looked at by admission. Quotas and built-in checks have words of their own; a right that is
    # missing has always the same.
    is_by_admission = not action.startswith("GET ") and (
        bool(_OF_ADMISSION.search(words))
        or (status == 403 and "message" in answer and not _OF_AUTHORIZATION.search(words))
    )
    if quotes(words, sent):
        fields = ", ".join(str(cause["field"]) for cause in causes if cause.get("field"))
        words = " ".join(part for part in (answer.get("reason"), fields) if part) or phrase
        words = words if not quotes(words, sent) else phrase
    return error_of(status, action=action, detail=words, is_by_admission=is_by_admission)


def quotes(words: str, sent: Body | Operations | None) -> bool:
    """Whether ``words`` hold a piece of what was sent as the content of a Secret or ConfigMap."""
    pieces = {words[start : start + _WINDOW] for start in range(len(words) - _WINDOW + 1)}
    # By piece, not by window of what was sent: a Secret may have a thousand times as much as the words, and a batch
    # that is imported again has a refusal for each of its Secrets.
    return any(piece in text for text in _texts(_content(sent)) for piece in pieces)


def _status_of(content: bytes) -> dict[str, Any]:
    """The API server's Status; empty when the answer is something else, as of a proxy."""
    try:
        answer = decode(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) and answer.get("kind") == "Status" else {}


def _content(sent: Body | Operations | None) -> list[Any]:
    if sent is None:
        return []
    if isinstance(sent, Mapping):
        return [value for name, value in sent.items() if name in _CONTENT]
    return [each.get("value") for each in sent if str(each.get("path")).startswith(_CONTENT_PATHS)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        with suppress(ValueError):  # a policy may decode what it sees
            yield base64.b64decode(value, validate=True).decode("latin-1")
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
