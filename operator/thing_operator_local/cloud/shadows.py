"""The shadow service and MIC's rules behind MQTT and REST: routing and keeping; the rules are elsewhere.

What a client publishes comes here from the broker, is answered by ``shadow_service``, kept, and only then
published. MIC's part: ``tcxn/things/<t>/shadow/update`` goes on to the real shadow topic, ``.../backdate`` to the
history only, reports to the history, and networked children are registered by their first publish.

Source: docs/background/mic.md#topics-of-a-thing.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from thing_operator_local.cloud.faults import AtTime, Faults
from thing_operator_local.cloud.json_text import load_object
from thing_operator_local.cloud.observations import Observations
from thing_operator_local.cloud.refusals import REFUSALS, message_of
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.service_link import Message
from thing_operator_local.cloud.shadow_requests import token_of
from thing_operator_local.cloud.shadow_service import Publication, ShadowAnswer, ShadowRequest, ShadowService
from thing_operator_local.cloud.shadow_topics import CHILD_MARK, ShadowAddress, ShadowOperation, read_topic
from thing_operator_local.cloud.store import Store

_log = logging.getLogger(__name__)

IN_FLIGHT: Final = 10
"""Requests of one thing that may wait for their answers (docs/background/aws-iot-shadow.md#limits)."""

_MIC_TOPIC: Final = re.compile(
    r"tcxn/things/(?P<thing>[a-zA-Z0-9:_-]{1,128})/shadow/(?P<rule>update|backdate)"
)
_HELD: Final = 10_000
_MESSAGES: Final = {429: "Too many requests", 500: "Internal service failure"}


class Shadows:
    """All shadows of the account, for the loop's thread. ``in_flight`` None for no limit."""

    def __init__(
        self,
        service: ShadowService,
        *,
        store: Store,
        registry: Registry,
        observations: Observations,
        publish: Callable[[Iterable[Publication]], None],
        clock_ms: Callable[[], int],
        in_flight: int | None = IN_FLIGHT,
    ) -> None:
        self.faults = Faults()
        self._service = service
        self._store = store
        self._registry = registry
        self._observations = observations
        self._publish = publish
        self._clock_ms = clock_ms
        self._in_flight_limit = in_flight
        self._in_flight: Counter[str] = Counter()
        self._held: list[Message] | None = None
        service.load(store.shadows())

    def handle_messages(self, messages: Iterable[Message]) -> None:
        """Answer what clients published. Everything is kept before anything is answered."""
        if self._held is not None:
            self._held = [*self._held, *messages][-_HELD:]
            return
        answers: list[tuple[str, list[AtTime]]] = []
        with self._store.transaction():
            for topic, payload in messages:
                answers.append(self._answer_to(topic, payload))
        self._observations.flush()
        self._publish([each for _, due in answers for delay, each in due if not delay])
        for thing, due in answers:
            self._finish(thing, due)

    def handle_rest(self, request: ShadowRequest) -> ShadowAnswer:
        """Answer a request of the data plane. Changes are published to subscribers, refusals and reads are not."""
        with self._store.transaction():
            outcome = self._handle(request)
        self._observations.flush()
        if outcome.accepted and request.operation is not ShadowOperation.GET:
            self._publish(outcome.publications)
        return outcome

    def list_named(self, thing: str) -> list[str]:
        """Names of the thing's named shadows, sorted."""
        return self._service.list_named(thing)

    def document(self, thing: str) -> dict[str, Any] | None:
        """State, metadata and version of the thing's classic shadow; None when there is none."""
        return self._service.document(ShadowAddress(thing))

    def forget(self, thing: str) -> None:
        """Forget all shadows of a thing that is no more. Nothing is published."""
        self._service.forget(thing)
        self._store.delete_shadows(thing)

    def pause(self) -> None:
        """Answer nothing over MQTT; what comes is held."""
        self._held = self._held or []

    def resume(self) -> None:
        """Answer what was held, and go on."""
        held, self._held = self._held, None
        if held:
            self.handle_messages(held)

    def _answer_to(self, topic: str, payload: bytes) -> tuple[str, list[AtTime]]:
        """What is to be sent; the thing is named when it waits for an answer."""
        asked = read_topic(topic)
        request: ShadowRequest | None = None
        if asked is not None and asked.message is None:
            thing, shadow = asked.address.thing, asked.address.shadow
            request = ShadowRequest(thing, shadow, asked.operation, payload)
            self._in_flight[thing] += 1
        try:
            due = self._answer_request(request) if request else self._apply_mic_rule(topic, payload)
        except Exception:  # noqa: BLE001 - logged; those who asked at the same time are to get their answers
            _log.exception("a message on %s cannot be handled", topic)
            due = []
        return request.thing if request else "", due

    def _answer_request(self, request: ShadowRequest) -> list[AtTime]:
        limit = self._in_flight_limit
        too_many = limit is not None and self._in_flight[request.thing] > limit
        outcome = _refused(request, 429, self._clock_ms()) if too_many else self._handle(request)
        if not outcome.accepted:
            said = message_of(outcome.payload.decode(errors="replace"))
            REFUSALS.info("%s of %s over MQTT: %s %s", request.operation, request.thing, outcome.code, said)
        return self.faults.shape(request, outcome.publications)

    def _apply_mic_rule(self, topic: str, payload: bytes) -> list[AtTime]:
        ours = _MIC_TOPIC.fullmatch(topic)
        if ours is None:
            return []
        if ours["rule"] == "update":
            return [(0.0, Publication(ShadowAddress(ours["thing"]).topic(ShadowOperation.UPDATE), payload))]
        self._observe(ours["thing"], None, payload, source="backdate")
        return []

    def _finish(self, thing: str, due: list[AtTime]) -> None:
        """See to what is late, and count a request as answered once all of its answer is out."""
        for delay, each in due:
            if delay:
                asyncio.get_running_loop().call_later(delay, self._publish, [each])
        if not thing:
            return
        if last := max((delay for delay, _ in due), default=0.0):
            asyncio.get_running_loop().call_later(last, self._answered, thing)
        else:
            self._answered(thing)

    def _answered(self, thing: str) -> None:
        self._in_flight[thing] -= 1
        if not self._in_flight[thing]:
            del self._in_flight[thing]

    def _handle(self, request: ShadowRequest) -> ShadowAnswer:
        code = self.faults.refusal(request)
        if code is not None:
            return _refused(request, code, self._clock_ms())
        outcome = self._service.handle(request)
        if outcome.accepted and request.operation is not ShadowOperation.GET:
            kept = self._service.export(request.thing, request.shadow)
            if kept is not None:
                self._store.put_shadow(request.thing, request.shadow, kept)
            if request.operation is ShadowOperation.UPDATE:
                self._observe(request.thing, request.shadow, request.payload, source="update")
        return outcome

    def _observe(self, thing: str, shadow: str | None, payload: bytes, *, source: str) -> None:
        message = load_object(payload)
        state = message.get("state")
        reported = state.get("reported") if isinstance(state, dict) else None
        if CHILD_MARK in thing:
            self._register_child(thing, reported)
        if reported is None:
            return
        received = self._clock_ms()
        given = message.get("timestamp")
        is_time = isinstance(given, int) and not isinstance(given, bool)
        self._observations.add(
            thing=thing,
            shadow=shadow,
            reported=reported,
            timestamp=int(message["timestamp"]) if is_time else received,
            received=received,
            source=source,
        )

    def _register_child(self, name: str, reported: Any) -> None:
        conventions = reported.get("tcxn") if isinstance(reported, dict) else None
        wanted = conventions.get("thingType") if isinstance(conventions, dict) else None
        self._registry.create_child(name, thing_type=wanted if isinstance(wanted, str) else None)


def _refused(request: ShadowRequest, code: int, now_ms: int) -> ShadowAnswer:
    """An answer that has nothing to do with what the request says."""
    message = _MESSAGES.get(code, "Refused on demand")
    return ShadowAnswer.refusal(request, code, message, token=token_of(request.payload), time=now_ms // 1000)
