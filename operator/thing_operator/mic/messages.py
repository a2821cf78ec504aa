"""What MIC's Cloud API is asked and what it answers, as values. Pure.

The answers are read leniently: their fields are known from an older specification, and times may be
milliseconds, seconds or text.

Source: docs/background/mic.md#the-cloud-api.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from thing_operator.core.printable import printable
from thing_operator.mic.errors import MicUnavailableError

Json = Mapping[str, Any]

_MILLISECONDS_FROM = 10**11
"""In seconds, this is the year 5138; in milliseconds, 1973."""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Account:
    """User name and password of a MIC user; the password is in no ``repr``."""

    user_name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a login: ``access`` for each call (minutes), ``refresh`` for new ones (days), None without."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What is ordered. ``size`` is 1 to 1000; ``protocol`` is mqtt or iotgw, None leaves it to MIC."""

    thing_type: str
    domain: str
    size: int
    protocol: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The JSON body of ``POST /thingbatches``; fields that are None are left out."""
        body = {"thingType": self.thing_type, "domain": self.domain, "requestedSize": self.size}
        return body | ({"protocol": self.protocol} if self.protocol else {})


@dataclass(frozen=True, slots=True)
class ThingItem:
    """A thing as a search has it. ``parent``: the thing that speaks for this one; ``protocol`` None: MIC says none."""

    name: str
    protocol: str | None = None
    parent: str | None = None


class BatchState(StrEnum):
    """MIC says no state; it follows from the other fields (docs/background/mic.md#batches-of-things)."""

    PENDING = "Pending"
    CREATING = "Creating"
    READY = "Ready"
    PARTIAL = "Partial"
    """Finished with errors, some things are made."""
    FAILED = "Failed"
    """Finished, and there is no zip."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A batch as the list has it. ``url`` opens its zip for a while to whoever has it."""

    batch_id: str
    thing_type: str | None
    domain: str | None
    size: int | None
    current_size: int
    created_by: str | None
    created_at: datetime | None
    is_finished: bool
    errors: tuple[str, ...]
    url: str | None = field(repr=False)

    @property
    def state(self) -> BatchState:
        """Where the batch stands, derived from the other fields since MIC says no state."""
        if not self.is_finished:
            return BatchState.CREATING if self.current_size else BatchState.PENDING
        if self.errors and self.current_size:
            return BatchState.PARTIAL
        return BatchState.READY if self.url and not self.errors else BatchState.FAILED


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error as MIC words it; ``key`` is its own name of it."""

    message: str
    key: str | None = None


def complaint_in(body: Any) -> Complaint | None:
    """The error in a body, bare or wrapped in ``errorMessage`` as the older API did, even with HTTP's 200."""
    if not isinstance(body, Mapping):
        return None
    wrapped = body.get("errorMessage")
    if wrapped is not None:
        return complaint_in(_unwrapped(wrapped)) or Complaint(_short(wrapped))
    if "message" not in body and "messageKey" not in body:
        return None
    key = body.get("messageKey")
    words = [str(body[name]) for name in ("messageKey", "message") if body.get(name)]
    if body.get("property"):
        words.append(f"({body['property']})")
    return Complaint(_short(" ".join(words)), str(key) if key else None)


def tokens_in(body: Any) -> Tokens:
    """What login and refresh answer. Raises MicUnavailableError when there is no token."""
    credentials = body.get("credentials") if isinstance(body, Mapping) else None
    token = credentials.get("token") if isinstance(credentials, Mapping) else None
    if not isinstance(token, str) or not token:
        raise MicUnavailableError("MIC's answer to the login holds no token")
    refresh = credentials.get("refreshToken") if isinstance(credentials, Mapping) else None
    return Tokens(token, refresh if isinstance(refresh, str) else None)


def batches_in(body: Any) -> tuple[BatchItem, ...]:
    """The list of batches: bare, or the one list in an object. Raises MicUnavailableError for anything else."""
    items = body
    if isinstance(body, Mapping):
        items = next((value for value in body.values() if isinstance(value, list)), None)
    if not isinstance(items, list):
        raise MicUnavailableError("MIC's list of batches is no list")
    return tuple(_item(each) for each in items if isinstance(each, Mapping) and each.get("batchId"))


def search_for_things(*, start: int, size: int, thing_type: str | None, domain: str | None) -> dict[str, Any]:
    """The JSON body of ``POST /things/find`` for one page (docs/background/mic.md#searches)."""
    wanted = {"thingType": thing_type, "domain": domain}
    terms = [{"term": {name: value}} for name, value in wanted.items() if value is not None]
    query = {"bool": {"filter": terms}} if terms else {"match_all": {}}
    fields = ["thingName", "protocol", "parentThingName"]
    return {
        "query": {"from": start, "size": size, "query": query, "_source": fields},
        "type": "thing,sub_thing",
    }


def things_in(body: Any) -> tuple[int, tuple[ThingItem, ...]]:
    """How many things a search has found in all, and those of this page. Raises MicUnavailableError for others."""
    hits = body.get("hits") if isinstance(body, Mapping) else None
    listed = hits.get("hits") if isinstance(hits, Mapping) else None
    if not isinstance(hits, Mapping) or not isinstance(listed, list):
        raise MicUnavailableError("MIC's answer to the search for things holds no hits")
    items = tuple(_thing(hit) for hit in listed if isinstance(hit, Mapping))
    total = hits.get("total")
    # Since version 7 Elasticsearch says it as an object.
    count = _number(total.get("value") if isinstance(total, Mapping) else total)
    return (len(items) if count is None else count), items


def _thing(hit: Json) -> ThingItem:
    source = hit.get("_source")
    inner: Json = source if isinstance(source, Mapping) else {}
    return ThingItem(
        name=str(inner.get("thingName") or hit.get("_id")),
        protocol=_text(inner.get("protocol")),
        parent=_text(inner.get("parentThingName")),
    )


def moment(value: Any) -> datetime | None:
    """A time of MIC's: milliseconds or seconds since the epoch, as number or text, or ISO 8601. Aware, in UTC."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        number = float(value)
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _item(item: Json) -> BatchItem:
    attributes = item.get("attributes")
    inner: Json = attributes if isinstance(attributes, Mapping) else {}
    url = item.get("url")
    errors = item.get("errors") or []
    return BatchItem(
        batch_id=str(item["batchId"]),
        thing_type=_text(inner.get("thingType", item.get("thingType"))),
        domain=_text(inner.get("domain", item.get("domain"))),
        size=_number(item.get("requestedSize")),
        current_size=_number(item.get("currentSize")) or 0,
        created_by=_text(item.get("createdBy")),
        created_at=moment(item.get("createdAt")),
        is_finished=bool(item.get("finishedAt")),
        errors=tuple(_error(each) for each in (errors if isinstance(errors, list) else [errors])),
        url=url if isinstance(url, str) and url else None,
    )


def _error(error: Any) -> str:
    found = complaint_in(error)
    return found.message if found else _short(error)


def _unwrapped(wrapped: Any) -> Any:
    if not isinstance(wrapped, str):
        return wrapped
    try:
        return json.loads(wrapped)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _short(value: Any) -> str:
    text = printable(str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
