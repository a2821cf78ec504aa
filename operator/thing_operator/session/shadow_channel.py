"""One shadow on a connection: its topics, the requests that wait for an answer, and the document as it is seen."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from thing_operator.mqtt.errors import ConnectError, SessionLostError
from thing_operator.session.diagnosis import explain_silent_shadow
from thing_operator.session.errors import (
    RejectedError,
    RequestTimeoutError,
    RetryableRejectedError,
    rejection,
)
from thing_operator.session.requests import PendingRequests, RequestKind, Waiting
from thing_operator.session.tracking import DocumentTracker
from thing_operator.shadow.documents import EMPTY_DOCUMENT, Accepted
from thing_operator.shadow.messages import (
    MalformedMessageError,
    decode_accepted,
    decode_delete_accepted,
    decode_documents,
    decode_get_accepted,
    decode_rejected,
    encode_delete,
    encode_get,
    encode_update,
)
from thing_operator.shadow.topics import ShadowTopics, backdate_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thing_operator.core.backoff import Backoff
    from thing_operator.core.json_values import JsonObject
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.mqtt.ports import Transport
    from thing_operator.observability.observers import SessionObserver
    from thing_operator.session.intake import Intake
    from thing_operator.shadow.documents import ShadowDocument

_log = logging.getLogger(__name__)

_QUIET_GETS: Final = 2
"""So many unanswered reads in a row end a connection."""

_NOT_FOUND: Final = 404


def filters_of(topics: ShadowTopics, *, wildcard: bool = False) -> list[str]:
    """What a session subscribes to: no ``delta``, as ``documents`` says more. At most 8 fit one SUBSCRIBE.

    The three filters with a wildcard bring the very same messages as the seven without; a policy that names
    each topic filter denies them.
    """
    if wildcard:
        return [f"{topics.prefix}/+/accepted", f"{topics.prefix}/+/rejected", topics.update_documents]
    return [
        topics.update_accepted,
        topics.update_rejected,
        topics.update_documents,
        topics.get_accepted,
        topics.get_rejected,
        topics.delete_accepted,
        topics.delete_rejected,
    ]


class Line(Protocol):
    """The connection, as a channel on it needs it."""

    observer: "SessionObserver"
    tokens: "Iterator[str]"
    timeout: float
    """Seconds that a request may take."""
    wildcard: bool
    """Whether it subscribes by filters with a wildcard."""
    slots: asyncio.Semaphore
    """Of requests that wait for an answer on this connection."""

    def up(self) -> "Transport":
        """What to publish by. Raises SessionLostError when it has ended."""

    def end(self, error: ConnectError) -> None:
        """End it, since it is of no use any more."""


class ShadowChannel:
    """Speaks with the shadow service of one shadow, and keeps its document.

    ``on_change`` is called when the document changed, ``on_trouble`` with what makes the channel of no use while the
    connection is up: what comes on it, or that nothing does.
    """

    __slots__ = (
        "_intake",
        "_line",
        "_on_change",
        "_on_trouble",
        "_read_lock",
        "_requests",
        "_rereading",
        "_timeout",
        "_topics",
        "_wildcard",
        "ended",
        "spec",
        "tracker",
    )  # fmt: skip

    def __init__(
        self,
        line: Line,
        spec: "SessionSpec",
        *,
        intake: "Intake",
        on_change: Callable[["ShadowChannel"], None],
        on_trouble: Callable[["ShadowChannel", ConnectError], None],
    ) -> None:
        """``spec``: of the connection, with the name of the thing whose shadow it is."""
        self.spec = spec
        self.tracker = DocumentTracker()
        self.ended: ConnectError | None = None
        self._line: Line | None = line
        """None once it has ended: they refer to each other."""
        self._topics = ShadowTopics(spec.thing_name)
        self._timeout = line.timeout
        self._wildcard = line.wildcard
        self._requests = PendingRequests(line.tokens)
        self._intake = intake
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._read_lock = asyncio.Lock()
        self._rereading: asyncio.Task[None] | None = None

    @property
    def prefix(self) -> str:
        """What all of its topics begin with, without a slash at the end."""
        return self._topics.prefix

    @property
    def filters(self) -> list[str]:
        """What it subscribes to."""
        return filters_of(self._topics, wildcard=self._wildcard)

    @property
    def unanswered(self) -> RequestKind | None:
        """The kind of the request that waits longest, None when all are answered."""
        return self._requests.oldest

    async def read(self) -> None:
        """Have the tracker hold the truth. Raises RejectedError, RequestTimeoutError, SessionLostError."""
        async with self._read_lock:
            self.tracker.asking()
            try:
                answer = await self._ask(RequestKind.GET, self._topics.get, encode_get)
            except RejectedError as error:
                if error.code != _NOT_FOUND:
                    raise
                answer = EMPTY_DOCUMENT
            self.tracker.on_read(answer)
        self._keep(self.tracker.document)
        self._open()

    async def read_through(self, backoff: "Backoff") -> None:
        """Read until it succeeded and nothing newer is known to be missing.

        Raises RejectedError (not the retryable ones) and SessionLostError.
        """
        quiet = failures = 0
        while True:
            try:
                await self.read()
            except RequestTimeoutError:
                quiet += 1
                if quiet >= _QUIET_GETS:
                    raise explain_silent_shadow(spec=self.spec, seconds=self._timeout) from None
            except RetryableRejectedError:
                quiet = 0
            else:
                if not self.tracker.must_read:
                    return
            failures += 1
            await asyncio.sleep(backoff.delay(failures).total_seconds())

    async def update(self, encode: Callable[[str], bytes]) -> Accepted:
        """``encode`` makes the body from a clientToken. Raises as :meth:`read`."""
        answer = await self._ask(RequestKind.UPDATE, self._topics.update, encode)
        assert isinstance(answer, Accepted)  # noqa: S101 - only on_update_accepted resolves this kind
        return answer

    async def delete(self) -> None:
        """Delete the shadow; 404 is fine. Raises as :meth:`read`."""
        try:
            await self._ask(RequestKind.DELETE, self._topics.delete, encode_delete)
        except RejectedError as error:
            if error.code != _NOT_FOUND:
                raise

    async def backdate(self, *, reported: "JsonObject", timestamp_ms: int) -> None:
        """Publish what was the case at that time, and wait for the PUBACK: nothing else answers.

        Raises RequestTimeoutError, SessionLostError.
        """
        topic = backdate_topic(self.spec.thing_name)
        payload = encode_update(reported=reported, timestamp_ms=timestamp_ms)
        try:
            async with asyncio.timeout(self._timeout):
                await self._open().up().publish_confirmed(topic, payload)
        except TimeoutError:
            raise RequestTimeoutError(
                f"{self.spec.endpoint.host} did not confirm a message in {self._timeout:g} s"
            ) from None

    def reread(self, backoff: "Backoff") -> None:
        """Read in the background, once however often asked."""
        if self._rereading is None or self._rereading.done():
            self._rereading = asyncio.create_task(self._reread(backoff))

    def end(self, error: ConnectError) -> None:
        """Nothing comes any more; all who wait for an answer get ``error``."""
        if self.ended is not None:
            return
        self.ended = error
        self._intake.end()
        if self._rereading is not None:
            self._rereading.cancel()
        self._requests.fail_all(error)
        self._line, self._on_change, self._on_trouble = None, _ignore, _ignore

    def on_message(self, topic: str, payload: bytes) -> None:
        """Whatever arrives: ours, others', late, doubled or malformed."""
        handler = _HANDLERS.get(topic.removeprefix(f"{self._topics.prefix}/"))
        if handler is None:
            return
        before = self.tracker.document
        try:
            handler(self, payload)
        except MalformedMessageError as error:
            self._refuse(topic, str(error))
            return
        except Exception as error:  # noqa: BLE001 - logged
            # Whom the policy allows may publish anything there: one such message must not end the connection.
            self._refuse(topic, f"{type(error).__name__} in the operator")
            return
        if self.tracker.document is not before:
            self._keep(self.tracker.document)
        if self.tracker.document is not before or self.tracker.must_read:
            self._on_change(self)

    def _refuse(self, topic: str, why: str) -> None:
        error = self._intake.refuse(topic, why, now=asyncio.get_running_loop().time())
        if error is not None:
            self._on_trouble(self, error)

    def _keep(self, document: "ShadowDocument | None") -> None:
        """The channel is of no use where there is no room for its document."""
        error = self._intake.keep(document) if document is not None else None
        if error is not None:
            self._on_trouble(self, error)

    # Messages

    def _on_update_accepted(self, payload: bytes) -> None:
        accepted = decode_accepted(payload)
        self.tracker.on_accepted(accepted)
        self._requests.resolve(RequestKind.UPDATE, accepted.client_token, accepted)

    def _on_documents(self, payload: bytes) -> None:
        self.tracker.on_documents(decode_documents(payload).current)

    def _on_get_accepted(self, payload: bytes) -> None:
        got = decode_get_accepted(payload)
        self._requests.resolve(RequestKind.GET, got.client_token, got.document)

    def _on_delete_accepted(self, payload: bytes) -> None:
        deleted = decode_delete_accepted(payload)
        self.tracker.on_deleted(deleted.version)
        self._requests.resolve(RequestKind.DELETE, deleted.client_token, deleted)

    def _on_update_rejected(self, payload: bytes) -> None:
        self._reject(RequestKind.UPDATE, payload)

    def _on_get_rejected(self, payload: bytes) -> None:
        self._reject(RequestKind.GET, payload)

    def _on_delete_rejected(self, payload: bytes) -> None:
        self._reject(RequestKind.DELETE, payload)

    def _reject(self, kind: RequestKind, payload: bytes) -> None:
        refusal = decode_rejected(payload)
        token = refusal.client_token
        if (
            token is None
            and kind is RequestKind.GET
            and refusal.code == _NOT_FOUND
            and self.tracker.document is None
        ):
            # AWS was seen to leave the token out here, and that there is no shadow is true for all who ask.
            token = self._requests.the_only(kind)
        self._requests.resolve(kind, token, rejection(code=refusal.code, message=refusal.message))

    # Inside

    async def _ask(self, kind: RequestKind, topic: str, encode: Callable[[str], bytes]) -> Any:
        line = self._open()
        async with line.slots:
            transport = self._open().up()
            loop = asyncio.get_running_loop()
            began, received = loop.time(), transport.received
            waiting = self._requests.open(kind)
            result = "lost"
            try:
                transport.publish(topic, encode(waiting.token))
                async with asyncio.timeout(self._timeout):
                    answer = await waiting.answer
                result = "accepted"
            except TimeoutError:
                result = "timeout"
                raise self._not_in_time(line, waiting, silent=transport.received == received) from None
            except RejectedError as error:
                result = str(error.code)
                raise
            else:
                return answer
            finally:
                self._requests.close(waiting)
                line.observer.request(kind=kind, result=result, latency=loop.time() - began)
                # It has the error whose traceback has this frame: a cycle for each rejection.
                del waiting

    def _not_in_time(
        self, line: Line, waiting: Waiting, *, silent: bool
    ) -> RequestTimeoutError | SessionLostError:
        self._requests.close(waiting)
        if silent:
            # Not even the PUBACK: the other side vanished without a word.
            lost = SessionLostError(f"{self.spec.endpoint.host} does not answer any more; connecting again")
            line.end(lost)
            return lost
        return RequestTimeoutError(
            f"the shadow service did not answer a {waiting.kind} in {self._timeout:g} s"
        )

    async def _reread(self, backoff: "Backoff") -> None:
        try:
            await self.read_through(backoff)
        except SessionLostError as error:
            if self.ended is None:
                self._rereading = None
                self._on_trouble(self, error)
        except RejectedError as error:
            _log.warning("the shadow of %s cannot be read again: %s", self.spec.thing_name, error.message)
        else:
            self._on_change(self)

    def _open(self) -> Line:
        if self._line is None:
            raise SessionLostError(f"there is no connection to {self.spec.endpoint.host}")
        return self._line


def _ignore(*_: object) -> None:
    """Of a channel that has ended."""


_HANDLERS: Final[dict[str, Callable[[ShadowChannel, bytes], None]]] = {
    "update/accepted": ShadowChannel._on_update_accepted,
    "update/rejected": ShadowChannel._on_update_rejected,
    "update/documents": ShadowChannel._on_documents,
    "get/accepted": ShadowChannel._on_get_accepted,
    "get/rejected": ShadowChannel._on_get_rejected,
    "delete/accepted": ShadowChannel._on_delete_accepted,
    "delete/rejected": ShadowChannel._on_delete_rejected,
}
"""By what follows the prefix of the shadow's topics."""
