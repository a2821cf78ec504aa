"""The shadow service and MIC's rules behind MQTT and REST: routing and keeping; the rules are elsewhere.

What a client publishes comes here from the broker, is answered by ``shadow.service``, kept, and only then
published. MIC's part (reference mic.md 2): ``tcxn/things/<t>/shadow/update`` goes on to the real shadow topic,
``.../backdate`` to the history only, reports to the history, and networked children are registered by
their first publish.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from thing_operator.local.cloud.link import Message
from thing_operator.local.cloud.observations import Observations
from thing_operator.local.cloud.registry import CHILD_MARK, Registry
from thing_operator.local.cloud.store import Store
from thing_operator.shadow.service import Outcome, Publication, ShadowRequest, ShadowService
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics, parse_topic

_MIC_TOPIC: Final = re.compile(
    r"tcxn/things/(?P<thing>[a-zA-Z0-9:_-]{1,128})/shadow/(?P<rule>update|backdate)"
)


class Shadows:
    """All shadows of the account, for the loop's thread."""

    def __init__(
        self,
        service: ShadowService,
        *,
        store: Store,
        registry: Registry,
        observations: Observations,
        publish: Callable[[str, bytes], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._service = service
        self._store = store
        self._registry = registry
        self._observations = observations
        self._publish = publish
        self._clock_ms = clock_ms
        service.load(store.shadows())

    def handle_messages(self, messages: Iterable[Message]) -> None:
        """Answer what clients published. Everything is kept before anything is answered."""
        publications: list[Publication] = []
        with self._store.transaction():
            for topic, payload in messages:
                publications.extend(self._handle_message(topic, payload))
        self._observations.flush()
        for each in publications:
            self._publish(each.topic, each.payload)

    def handle_rest(self, request: ShadowRequest) -> Outcome:
        """Answer a request of the data plane. Changes are told to subscribers, refusals and reads are not."""
        with self._store.transaction():
            outcome = self._handle(request)
        self._observations.flush()
        if outcome.accepted and request.operation is not Operation.GET:
            for each in outcome.publications:
                self._publish(each.topic, each.payload)
        return outcome

    def list_named(self, thing: str) -> list[str]:
        """Names of the thing's named shadows, sorted."""
        return self._service.list_named(thing)

    def _handle_message(self, topic: str, payload: bytes) -> tuple[Publication, ...]:
        asked = parse_topic(topic)
        if asked is not None and asked.kind is Kind.REQUEST:
            return self._handle(
                ShadowRequest(asked.thing, asked.shadow, asked.operation, payload)
            ).publications
        if (ours := _MIC_TOPIC.fullmatch(topic)) is not None:
            if ours["rule"] == "update":
                return (Publication(ShadowTopics(ours["thing"]).update, payload),)
            self._observe(ours["thing"], None, payload, source="backdate")
        return ()

    def _handle(self, request: ShadowRequest) -> Outcome:
        outcome = self._service.handle(request)
        if outcome.accepted and request.operation is not Operation.GET:
            kept = self._service.export(request.thing, request.shadow)
            if kept is not None:
                self._store.put_shadow(request.thing, request.shadow, kept)
            if request.operation is Operation.UPDATE:
                self._observe(request.thing, request.shadow, request.payload, source="update")
        return outcome

    def _observe(self, thing: str, shadow: str | None, payload: bytes, *, source: str) -> None:
        message = _json_object(payload)
        state = message.get("state")
        reported = state.get("reported") if isinstance(state, dict) else None
        if CHILD_MARK in thing:
            self._register_child(thing, reported)
        if reported is None:
            return
        received = self._clock_ms()
        given = message.get("timestamp")
        self._observations.add(
            thing=thing,
            shadow=shadow,
            reported=reported,
            timestamp=given if isinstance(given, int) and not isinstance(given, bool) else received,
            received=received,
            source=source,
        )

    def _register_child(self, name: str, reported: Any) -> None:
        conventions = reported.get("tcxn") if isinstance(reported, dict) else None
        wanted = conventions.get("thingType") if isinstance(conventions, dict) else None
        self._registry.create_child(name, thing_type=wanted if isinstance(wanted, str) else None)


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
