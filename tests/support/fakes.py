"""What stands in for the API server and a session in the operator's unit tests."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.api_client import FakeClient
from tests.support.clock import START, loop_time

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.ports import Operations
from thing_operator.observability.observers import WriteObserver
from thing_operator.session import SessionView
from thing_operator.session.errors import rejection
from thing_operator.session.model import Phase
from thing_operator.shadow.documents import EMPTY_DOCUMENT, Accepted
from thing_operator.shadow.messages import (
    UNSET,
    decode_accepted,
    decode_get_accepted,
    decode_rejected,
    encode_update,
)
from thing_operator_local.cloud.shadow_service import ShadowOptions, ShadowRequest, ShadowService
from thing_operator_local.cloud.shadow_topics import ShadowOperation

if TYPE_CHECKING:
    from collections.abc import Callable


class RecordingClient(FakeClient):
    """Takes status patches; ``errors`` are raised first, one each.

    ``lost`` are raised after the patch was taken: only its answer is lost. Patches wait while ``open`` is not set.
    """

    def __init__(self) -> None:
        self.written: list[tuple[ObjectKey, Any]] = []
        self.written_at: list[float] = []
        """By the loop's clock."""
        self.errors: list[ThingOperatorError] = []
        self.lost: list[ThingOperatorError] = []
        self.open = asyncio.Event()
        self.open.set()
        self.flying = 0
        self.most_flying = 0
        self.uid = "u"

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(0)
            await self.open.wait()
        finally:
            self.flying -= 1
        if self.errors:
            raise self.errors.pop(0)
        self.written_at.append(loop_time())
        self.written.append((key, decode(encode(operations))[-1]["value"]))
        if self.lost:
            raise self.lost.pop(0)
        return ""

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        return {"metadata": {"uid": self.uid}}


class WriteCounts(WriteObserver):
    """Counts what a status writer says of its writes."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def written(self) -> None:
        self.seen["written"] += 1

    def suppressed(self) -> None:
        self.seen["suppressed"] += 1

    def failed(self) -> None:
        self.seen["failed"] += 1


class ServiceSession:
    """A session's surface over the real rules of the shadow service, without a network between.

    ``lose`` answers are lost: the update happens and nobody gets to know. ``codes`` are refusals to come, and
    ``unreadable`` is what reads to come fail with.
    """

    def __init__(self, thing: str = "t1") -> None:
        self.thing = thing
        self.service = ShadowService(lambda: 1_790_000_000.0, ShadowOptions(requests_per_second=None))
        self.lose: list[ThingOperatorError] = []
        self.codes: list[int] = []
        self.unreadable: list[ThingOperatorError] = []
        self.reads = 0
        self.sent: list[Any] = []
        self.reports: list[Any] = []
        self.connected = True
        self.on_send: Callable[[str], None] = lambda _moment: None
        self.on_answer: Callable[[], object] = lambda: None
        self._document = EMPTY_DOCUMENT

    @property
    def view(self) -> SessionView:
        return SessionView(
            phase=Phase.READY if self.connected else Phase.WAITING,
            connected=self.connected,
            reason=Reason.CONNECTED if self.connected else Reason.CONNECTION_LOST,
            message="",
            since=START,
            fingerprint="f",
            document=self._document,
        )

    @property
    def in_use(self) -> Any:
        """What the connection was made of; the session's own spec, where the test gives it one."""
        return getattr(self, "spec", None) if self.view.connected else None

    async def update(self, *, desired: Any = UNSET, reported: Any = UNSET) -> Accepted:
        if self.codes:
            raise rejection(code=self.codes.pop(0), message="no")
        self.on_send("before the update is sent")
        if desired is not UNSET:
            self.sent.append(desired)
        if reported is not UNSET:
            self.reports.append(reported)
        outcome = self.foreign(desired=desired, reported=reported)
        self.on_send("after the update was accepted, before anybody knows")
        if self.lose:
            raise self.lose.pop(0)
        if not outcome.accepted:
            answer = decode_rejected(outcome.payload)
            raise rejection(code=answer.code, message=answer.message)
        accepted = decode_accepted(outcome.payload)
        self._document = self._document.after(accepted)
        self.on_answer()
        return accepted

    async def refresh(self) -> None:
        self.reads += 1
        if self.unreadable:
            raise self.unreadable.pop(0)
        self.hear()

    def hear(self) -> None:
        """What is the case reaches the session."""
        outcome = self.service.handle(ShadowRequest(self.thing, None, ShadowOperation.GET))
        self._document = decode_get_accepted(outcome.payload).document if outcome.accepted else EMPTY_DOCUMENT

    def foreign(self, **sections: Any) -> Any:
        """An update by somebody else; :meth:`refresh` shows it."""
        payload = encode_update(**sections)
        return self.service.handle(ShadowRequest(self.thing, None, ShadowOperation.UPDATE, payload))

    def delete(self) -> None:
        """The shadow is deleted by somebody else; :meth:`refresh` shows it."""
        self.service.handle(ShadowRequest(self.thing, None, ShadowOperation.DELETE))

    def desired(self) -> Any:
        """What the service holds."""
        outcome = self.service.handle(ShadowRequest(self.thing, None, ShadowOperation.GET))
        return decode_get_accepted(outcome.payload).document.desired

    def reported(self) -> Any:
        """What the service holds."""
        outcome = self.service.handle(ShadowRequest(self.thing, None, ShadowOperation.GET))
        return decode_get_accepted(outcome.payload).document.reported


def object_ref(name: str = "t", uid: str = "u", *, namespace: str = "ns") -> Any:
    """Stands for an object in the status writer's tests."""
    from thing_operator.api.names import THINGS
    from thing_operator.core.resource import ObjectRef

    return ObjectRef(THINGS, ObjectKey(namespace, name), uid)
