"""Ordering a batch from MIC exactly once: what to do next, from what is in status and in MIC's list. Pure.

``POST /thingbatches`` is not idempotent, and there is no key to make it so. So the order is in
``status.order`` before it is sent, and MIC's batch id right after. An order without an id is one that was
interrupted: perhaps sent, perhaps not. Then MIC's list decides, and where it leaves doubt, a person.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from thing_operator.api.thingbatch import CloudApiSource, OrderStatus
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.mic import BatchItem, BatchState

SEARCH_TIME = timedelta(minutes=2)
"""How long MIC's list is given to show what was ordered; the API's gateway gives up after half a minute."""

_SKEW = timedelta(minutes=10)
"""By how much MIC's clock and ours may differ."""

_KNOWN_LIMIT = 100
_NAMED = 5


class OrderUnknownError(UserError):
    """Whether MIC makes the batch is not known, and a person must look."""

    reason = Reason.ORDER_UNKNOWN


class OrderFailedError(UserError):
    """MIC could not make the batch."""

    reason = Reason.ORDER_FAILED


class Step(StrEnum):
    """What is to be done next about an order."""

    SEND = "Send"
    SEARCH = "Search"
    FOLLOW = "Follow"


@dataclass(frozen=True, slots=True)
class Others:
    """The other ThingBatches' orders: batches that are theirs, and whether one like ours has no id yet."""

    claimed: frozenset[str] = frozenset()
    has_rival: bool = False


@dataclass(frozen=True, slots=True)
class Making:
    """MIC is making the batch: ``current`` of ``size`` things are made."""

    current: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """The zip can be fetched; ``lacking`` says what of it MIC could not make."""

    url: str = field(repr=False)
    lacking: str | None = None


def next_step(order: OrderStatus | None, *, is_unsent: bool) -> Step:
    """``is_unsent``: this process wrote the order and knows that it was not sent."""
    if order is None or (order.batch_id is None and is_unsent):
        return Step.SEND
    return Step.SEARCH if order.batch_id is None else Step.FOLLOW


def intend(
    source: CloudApiSource, *, nonce: str, now: datetime, listed: Iterable[BatchItem], user_name: str
) -> OrderStatus:
    """The order that is about to be sent, with the batches like it that there are before."""
    order = OrderStatus(
        nonce=nonce,
        time=now.replace(microsecond=0),
        host=source.host,
        thing_type=source.thing_type,
        domain=source.domain,
        size=source.size,
        protocol=source.protocol.value if source.protocol else None,
    )
    alike = [item for item in listed if _is_alike(order, item, user_name) and _is_near(order, item)]
    return order.model_copy(update={"known": tuple(item.batch_id for item in alike[:_KNOWN_LIMIT])})


def given(source: CloudApiSource, *, batch_id: str, now: datetime) -> OrderStatus:
    """A batch that is there already, as if it had been ordered."""
    order = intend(source, nonce=batch_id, now=now, listed=(), user_name="")
    return placed(order, batch_id)


def placed(order: OrderStatus, batch_id: str) -> OrderStatus:
    """The order with MIC's id of it."""
    return order.model_copy(update={"batch_id": batch_id, "known": None})


def is_for(order: OrderStatus, source: CloudApiSource) -> bool:
    """Whether this is what was ordered: cloudApi can be taken out of the spec and come back as another."""
    protocol = source.protocol.value if source.protocol else None
    return (order.host, order.thing_type, order.domain, order.size, order.protocol) == (
        source.host,
        source.thing_type,
        source.domain,
        source.size,
        protocol,
    )


def find(
    order: OrderStatus,
    listed: Iterable[BatchItem],
    *,
    user_name: str,
    others: Others,
    now: datetime,
    searched: timedelta,
) -> str | None:
    """The batch id of an interrupted order; None: not known yet.

    ``searched``: for how long this process has looked for it: the clock that the order's time came from may have been
    ahead. Raises OrderUnknownError when there is doubt: no batch, several, or one that another ThingBatch may have
    ordered.
    """
    taken: AbstractSet[str] = others.claimed | set(order.known or ())
    found = [
        item
        for item in listed
        if item.batch_id not in taken and _is_alike(order, item, user_name) and _is_near(order, item)
    ]
    if len(found) == 1 and not others.has_rival:
        return found[0].batch_id
    if max(now - order.time, searched) < SEARCH_TIME:
        return None
    raise OrderUnknownError(_doubt(order, found))


def follow(
    batch_id: str, listed: Iterable[BatchItem], *, size: int | None, current: int = 0
) -> Making | Made:
    """How far MIC is with a batch of ``size`` things, of which ``current`` were made when it was looked at last.

    Raises OrderFailedError when it will not be made.
    """
    item = next((item for item in listed if item.batch_id == batch_id), None)
    if item is None:
        return Making(current, size)
    size = item.size or size
    words = f"MIC made {item.current_size} of {size} things of batch {batch_id}"
    errors = "; ".join(item.errors[:_NAMED])
    if item.state in {BatchState.PENDING, BatchState.CREATING}:
        return Making(item.current_size, size)
    if item.url is None:
        raise OrderFailedError(f"{words} and no zip ({errors or 'without a reason'})")
    return Made(item.url, lacking=f"{words}: {errors}" if item.state is BatchState.PARTIAL else None)


def _is_alike(order: OrderStatus, item: BatchItem, user_name: str) -> bool:
    by = item.created_by
    return (item.thing_type, item.domain, item.size) == (order.thing_type, order.domain, order.size) and (
        by is None or by.casefold() == user_name.casefold()
    )


def _is_near(order: OrderStatus, item: BatchItem) -> bool:
    return item.created_at is None or abs(item.created_at - order.time) <= _SKEW


def _doubt(order: OrderStatus, found: list[BatchItem]) -> str:
    what = f"{order.size} things of type {order.thing_type} in domain {order.domain}"
    ids = ", ".join(item.batch_id for item in found[:_NAMED])
    shows = (
        f"more than one new batch, or one that may be another's ({ids})" if found else "no new batch like it"
    )
    return (
        f"the order of {order.time:%Y-%m-%dT%H:%M:%SZ} ({what}) was interrupted, and MIC's list shows {shows}; it is "
        "not sent again. Look in App Board: add the batch's id as spec.source.cloudApi.batchId, or make another "
        "ThingBatch if there is none"
    )
