"""A batch of MIC's for a ThingBatch: ordered once, watched while it is made, fetched (``source.cloudApi``).

What to do is decided in ``ordering``; here it is done, and remembered in status before and after.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from thing_operator.api.thingbatch import CloudApiSource, OrderStatus
from thing_operator.batches import order as ordering
from thing_operator.batches.order import Made, Making, Others, Step
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, TransientError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.download.errors import UrlExpiredError
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, BatchItem, BatchOrder, MicClient, OrderUnansweredError, find_stack

Remember = Callable[[OrderStatus | None], Awaitable[None]]
"""Have ``status.order`` on the API server before returning; raises when that is not certain."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The batch's zip; ``lacking`` says what of it MIC could not make."""

    order: OrderStatus
    content: bytes = field(repr=False)
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class InTheMaking:
    """MIC is still making the batch: requeue."""

    order: OrderStatus
    message: str


@dataclass(slots=True)
class _Memory:
    """What this process knows beyond status: all of it may be lost at any time."""

    client: MicClient | None = None
    unsent: str | None = None
    """Nonce of an order that was surely not sent, whatever became of its place in status."""
    placed: OrderStatus | None = None
    """An order with its id, until it is in status."""


class CloudSource:
    """Brings orders forward, one step at a pass. ``limit`` is in bytes of a zip."""

    def __init__(self, https: HttpsClient, *, manifest_url: str, clock: Clock, limit: int) -> None:
        self._https = https
        self._manifest_url = manifest_url
        self._clock = clock
        self._limit = limit
        self._memories: dict[ObjectKey, _Memory] = {}

    def forget(self, key: ObjectKey) -> None:
        """The ThingBatch is deleted, or needs MIC no more."""
        self._memories.pop(key, None)

    async def advance(
        self,
        key: ObjectKey,
        source: CloudApiSource,
        *,
        account: Account,
        order: OrderStatus | None,
        others: Callable[[OrderStatus], Others],
        remember: Remember,
    ) -> Fetched | InTheMaking:
        """Order, find, or follow the batch of ``source``; ``order`` is what the API server has in status.

        Raises OrderUnknownError, OrderFailedError, and what ``mic`` and ``remember`` raise.
        """
        memory = self._memories.setdefault(key, _Memory())
        if memory.placed and order and memory.placed.nonce == order.nonce:
            order = memory.placed
        client = await self._client(memory, source, account)
        listed = await client.batches()
        if source.batch_id and (order is None or order.batch_id is None):
            order = ordering.given(source, batch_id=source.batch_id, now=self._clock.now())
        if order is not None and not ordering.is_for(order, source):
            raise UserError(
                "status.order is of another order than spec.source.cloudApi: make another ThingBatch",
                reason=Reason.INVALID_SPEC,
            )
        step = ordering.next_step(order, is_unsent=order is not None and order.nonce == memory.unsent)
        if order is None or step is Step.SEND:
            order = await self._send(memory, client, source, listed=listed, remember=remember)
        elif step is Step.SEARCH:
            return await self._search(memory, order, listed, others=others(order), remember=remember)
        return await self._follow(client, order, listed)

    async def _client(self, memory: _Memory, source: CloudApiSource, account: Account) -> MicClient:
        """Logged in; one login for all passes as long as the account is the same."""
        if memory.client is None or memory.client.account != account:
            stack = await find_stack(self._https, manifest_url=self._manifest_url, host=source.host)
            client = MicClient(self._https, stack=stack, account=account)
            await client.log_in()
            memory.client = client
        return memory.client

    async def _send(
        self,
        memory: _Memory,
        client: MicClient,
        source: CloudApiSource,
        *,
        listed: tuple[BatchItem, ...],
        remember: Remember,
    ) -> OrderStatus:
        order = ordering.intend(
            source,
            nonce=uuid.uuid4().hex,
            now=self._clock.now(),
            listed=listed,
            user_name=client.account.user_name,
        )
        memory.unsent = order.nonce
        await remember(order)
        memory.unsent = None
        batch_order = BatchOrder(order.thing_type, order.domain, order.size, order.protocol)
        try:
            batch_id = await client.order_batch(batch_order)
        except OrderUnansweredError as error:
            raise TransientError(
                f"{error.message}; MIC's list will tell", reason=Reason.CLOUD_UNAVAILABLE
            ) from None
        except ThingOperatorError:
            memory.unsent = order.nonce
            await remember(None)
            raise
        return await self._keep(memory, ordering.placed(order, batch_id), remember=remember)

    async def _search(
        self,
        memory: _Memory,
        order: OrderStatus,
        listed: tuple[BatchItem, ...],
        *,
        others: Others,
        remember: Remember,
    ) -> InTheMaking:
        user = memory.client.account.user_name if memory.client else ""
        batch_id = ordering.find(order, listed, user_name=user, others=others, now=self._clock.now())
        if batch_id is None:
            return InTheMaking(order, "the order was interrupted: looking for its batch in MIC's list")
        found = await self._keep(memory, ordering.placed(order, batch_id), remember=remember)
        return InTheMaking(found, f"the order was interrupted: batch {batch_id} was found to be its")

    async def _keep(self, memory: _Memory, order: OrderStatus, *, remember: Remember) -> OrderStatus:
        memory.placed = order
        await remember(order)
        memory.placed = None
        return order

    async def _follow(
        self, client: MicClient, order: OrderStatus, listed: tuple[BatchItem, ...]
    ) -> Fetched | InTheMaking:
        found = ordering.follow(order, listed)
        if isinstance(found, Making):
            order = order.model_copy(update={"current_size": found.current})
            return InTheMaking(order, f"MIC has made {found.current} of {found.size} things")
        try:
            content = await self._https.download(found.url, limit=self._limit)
        except UrlExpiredError:
            # The address of the list just read was good a moment ago; a fresh one is in a fresh list.
            found = ordering.follow(order, await client.batches())
            if not isinstance(found, Made):
                raise
            content = await self._https.download(found.url, limit=self._limit)
        return Fetched(order.model_copy(update={"current_size": order.size}), content, found.lacking)
