"""A batch of MIC's for a ThingBatch: ordered once, watched while it is made, fetched (``source.cloudApi``).

What to do is decided in ``order``; here it is done, and kept in status before and after.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from thing_operator.api.thingbatch import CloudApiSource, OrderStatus
from thing_operator.batches import order as ordering
from thing_operator.batches.fetch import FetchedZip, fetch_if_made
from thing_operator.batches.order import OrderFailedError, Others, Step
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, TransientError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, BatchItem, BatchOrder, MicClient, OrderUnansweredError, find_stack

MayOrder = Callable[[ObjectKey], bool]
"""Whether a ThingBatch is certain to be this process's at the moment."""

PersistOrder = Callable[[OrderStatus | None], Awaitable[None]]
"""Have ``status.order`` on the API server before returning; raises when that is not certain."""


@dataclass(frozen=True, slots=True)
class OrderedZip:
    """The zip of an order that MIC has carried out."""

    order: OrderStatus
    zip: FetchedZip


@dataclass(frozen=True, slots=True)
class InTheMaking:
    """MIC is at work: ``message`` says how far it is."""

    order: OrderStatus
    message: str


@dataclass(slots=True)
class _OrderState:
    """What this process knows beyond status: all of it may be lost at any time."""

    client: MicClient | None = None
    unsent: str | None = None
    """Nonce of an order that was surely not sent, whatever became of its place in status."""
    placed: OrderStatus | None = None
    """An order with its id, until it is in status."""
    searched: tuple[str, float] | None = None
    """Nonce of the order that is looked for, and since when, monotonic seconds."""

    def search(self, order: OrderStatus, *, now: float) -> timedelta:
        """For how long this order has been looked for, from the first call on."""
        if self.searched is None or self.searched[0] != order.nonce:
            self.searched = order.nonce, now
        return timedelta(seconds=now - self.searched[1])


class CloudSource:
    """Brings orders forward, one step at a reconcile. ``limit`` is in bytes of a zip."""

    def __init__(
        self,
        https: HttpsClient,
        *,
        manifest_url: str,
        may_order: MayOrder,
        clock: Clock,
        limit: int = DEFAULT_LIMITS.archive,
    ) -> None:
        self._https = https
        self._manifest_url = manifest_url
        self._may_order = may_order
        self._clock = clock
        self._limit = limit
        self._states: dict[ObjectKey, _OrderState] = {}

    def forget(self, key: ObjectKey) -> None:
        """The ThingBatch is deleted, or needs MIC no more."""
        self._states.pop(key, None)

    async def advance(
        self,
        key: ObjectKey,
        source: CloudApiSource,
        *,
        account: Account,
        order: OrderStatus | None,
        others: Callable[[OrderStatus], Others],
        persist: PersistOrder,
    ) -> OrderedZip | InTheMaking:
        """Order, find, or follow the batch of ``source``; ``order`` is what the API server has in status.

        Raises OrderUnknownError, OrderFailedError, and what ``mic`` and ``persist`` raise.
        """
        state = self._states.setdefault(key, _OrderState())
        if state.placed and order and state.placed.nonce == order.nonce:
            order = state.placed
        client = await self._client(state, source, account)
        listed = await client.batches()
        if source.batch_id and (order is None or order.batch_id is None):
            order = ordering.given(source, batch_id=source.batch_id, now=self._clock.now())
        if order is not None and not ordering.is_for(order, source):
            raise UserError(
                "status.order is of another order than spec.source.cloudApi: make another ThingBatch",
                reason=Reason.INVALID_SPEC,
            )
        step = ordering.next_step(order, is_unsent=order is not None and order.nonce == state.unsent)
        if order is None or step is Step.SEND:
            order = await self._send(key, client, source, listed=listed, persist=persist)
        elif step is Step.SEARCH:
            return await self._search(state, order, listed, others=others(order), persist=persist)
        return await self._follow(client, order, listed)

    async def _client(self, state: _OrderState, source: CloudApiSource, account: Account) -> MicClient:
        """Logged in; one login for all reconciles as long as the account is the same."""
        if state.client is None or state.client.account != account:
            stack = await find_stack(self._https, manifest_url=self._manifest_url, host=source.host)
            client = MicClient(self._https, stack=stack, account=account)
            await client.log_in()
            state.client = client
        return state.client

    async def _send(
        self,
        key: ObjectKey,
        client: MicClient,
        source: CloudApiSource,
        *,
        listed: tuple[BatchItem, ...],
        persist: PersistOrder,
    ) -> OrderStatus:
        state = self._states[key]
        order = ordering.intend(
            source,
            nonce=uuid.uuid4().hex,
            now=self._clock.now(),
            listed=listed,
            user_name=client.account.user_name,
        )
        state.unsent = order.nonce
        await persist(order)
        if not self._may_order(key):
            raise TransientError(
                "nothing was ordered: another replica may run the ThingBatch by now", reason=Reason.RETRYING
            )
        state.unsent = None
        batch_order = BatchOrder(order.thing_type, order.domain, order.size, order.protocol)
        try:
            batch_id = await client.order_batch(batch_order)
        except OrderUnansweredError as error:
            raise TransientError(
                f"{error.message}; MIC's list decides", reason=Reason.CLOUD_UNAVAILABLE
            ) from None
        except ThingOperatorError:
            state.unsent = order.nonce
            await persist(None)
            raise
        return await self._keep(state, ordering.placed(order, batch_id), persist=persist)

    async def _search(
        self,
        state: _OrderState,
        order: OrderStatus,
        listed: tuple[BatchItem, ...],
        *,
        others: Others,
        persist: PersistOrder,
    ) -> InTheMaking:
        user = state.client.account.user_name if state.client else ""
        batch_id = ordering.find(
            order,
            listed,
            user_name=user,
            others=others,
            now=self._clock.now(),
            searched=state.search(order, now=self._clock.monotonic()),
        )
        if batch_id is None:
            return InTheMaking(order, "the order was interrupted: looking for its batch in MIC's list")
        found = await self._keep(state, ordering.placed(order, batch_id), persist=persist)
        return InTheMaking(found, f"the order was interrupted: batch {batch_id} was found to be its")

    async def _keep(self, state: _OrderState, order: OrderStatus, *, persist: PersistOrder) -> OrderStatus:
        state.placed = order
        await persist(order)
        state.placed = None
        return order

    async def _follow(
        self, client: MicClient, order: OrderStatus, listed: tuple[BatchItem, ...]
    ) -> OrderedZip | InTheMaking:
        try:
            found = await fetch_if_made(
                self._https,
                client,
                listed,
                batch_id=order.batch_id or "",
                size=order.size,
                current=order.current_size or 0,
                limit=self._limit,
            )
        except OrderFailedError as error:
            raise OrderFailedError(f"{error.message}: make another ThingBatch") from None
        if isinstance(found, FetchedZip):
            return OrderedZip(order.model_copy(update={"current_size": order.size}), found)
        order = order.model_copy(update={"current_size": found.current})
        return InTheMaking(order, f"MIC has made {found.current} of {found.size} things")
