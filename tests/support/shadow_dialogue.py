"""Dialogues with the Device Shadow service: requests, what is expected of them, and what always holds.

Beside what a step says, every answer is held to that, see :class:`_Dialogue`. Each dialogue begins without a shadow.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thing_operator_local.cloud.shadow_topics import ShadowOperation

Json = Any

_ANY: Final = "any"


@dataclass(frozen=True)
class Step:
    """One request. ``body`` bytes are sent as they are, anything else as JSON with a token of its own.

    ``code`` other than 200 is a refusal with ``message`` (its beginning). ``delta``: what ``update/delta`` carries,
    None for no such message. ``state`` and ``metadata``: what a ``get`` shows afterwards, delta and times apart.
    """

    body: Json
    code: int = 200
    message: str = ""
    delta: Json = _ANY
    state: Json = _ANY
    metadata: Json = _ANY
    operation: ShadowOperation = ShadowOperation.UPDATE
    token: str | None = "same"

    def payload(self, token: str) -> bytes:
        """What is sent; ``token`` goes with it unless the body has one or is bytes. A body of None is nothing."""
        if isinstance(self.body, bytes | None):
            return self.body or b""
        body = {"clientToken": token} | self.body if isinstance(self.body, dict) else self.body
        return json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Rule:
    """One dialogue."""

    id: str
    source: str
    steps: tuple[Step, ...]
    mqtt_only: bool = False
    """It speaks of what REST does not have: a body of get and delete."""

    def __str__(self) -> str:
        return f"{self.id} ({self.source})"

    def hold(self, ask: "Callable[[Step, bytes], Observed]") -> None:
        """Go through the dialogue; ``ask`` sends the bytes of a step."""
        dialogue = _Dialogue()
        for number, step in enumerate(self.steps):
            sent = step.payload(f"step-{number}")
            dialogue.check(step, sent, ask(step, sent))


@dataclass
class Observed:
    """What came of a request: HTTP's status or MQTT's verdict, the answer, and what subscribers saw of it by kind.

    ``after`` is the shadow as a ``get`` shows it then, None for none. ``over_rest``: subscribers see no refusal.
    """

    code: int
    answer: Json
    seen: Mapping[str, Json]
    after: Json
    over_rest: bool = False


def update(body: Json, **expected: Any) -> Step:
    return Step(body, **expected)


def desired(value: Json, **expected: Any) -> Step:
    return Step({"state": {"desired": value}}, **expected)


def reported(value: Json, **expected: Any) -> Step:
    return Step({"state": {"reported": value}}, **expected)


def both(wanted: Json, actual: Json, **expected: Any) -> Step:
    return Step({"state": {"desired": wanted, "reported": actual}}, **expected)


def refused(body: Json, code: int, message: str, **expected: Any) -> Step:
    return Step(body, code, message, **expected)


def rule(name: str, source: str, *steps: Step, mqtt_only: bool = False) -> Rule:
    return Rule(name, source, steps, mqtt_only)


@dataclass
class _Dialogue:
    """Holds each answer against its step, and against the ones before."""

    version: int = 0
    """The last one published, that of a deleted document included."""
    state: Json = None
    """None while there is no shadow."""

    def check(self, step: Step, sent: bytes, observed: Observed) -> None:
        """What the row says, and what always holds."""
        token = _token(sent) if step.token == "same" else step.token
        if step.code != 200:
            self._check_refusal(step, token, observed)
        elif step.operation is ShadowOperation.UPDATE:
            self._check_update(step, json.loads(sent), token, observed)
        elif step.operation is ShadowOperation.GET:
            assert observed.code == 200
            assert observed.answer["version"] == self.version
            assert observed.answer.get("clientToken") == token
        else:
            self._check_deletion(token, observed)
        self._check_after(step, observed)

    def _check_refusal(self, step: Step, token: str | None, observed: Observed) -> None:
        assert observed.code == step.code
        assert observed.answer["message"].startswith(step.message)
        if observed.over_rest:
            assert observed.seen == {}, "a refusal of REST goes to its caller only"
        else:
            assert observed.answer["code"] == step.code
            assert observed.answer.get("clientToken") == token
            assert list(observed.seen) == ["rejected"]

    def _check_update(self, step: Step, asked: Json, token: str | None, observed: Observed) -> None:
        assert observed.code == 200, observed.answer
        accepted, documents = observed.seen["accepted"], observed.seen["documents"]
        assert observed.answer == accepted, "the caller and subscribers see the same"
        if self.state is None and self.version:
            assert accepted["version"] > self.version, "it goes on for 48 hours"
        else:
            assert accepted["version"] == self.version + 1, "every accepted update counts"
        assert accepted["state"] == asked["state"], "what the request named, nulls included"
        assert set(accepted) == {"state", "metadata", "version", "timestamp"} | (
            {"clientToken"} if token else set()
        )
        if asked["state"] is None:
            assert accepted["metadata"] == {"timestamp": accepted["timestamp"]}
        else:
            assert _shape(accepted["metadata"]) == _mirror(accepted["state"])
        same = (accepted["version"], accepted["timestamp"], accepted.get("clientToken"))
        assert (documents["current"]["version"], documents["timestamp"], documents.get("clientToken")) == same
        assert accepted.get("clientToken") == token
        self._check_documents(documents)
        delta = observed.seen.get("delta")
        if delta is not None:
            assert (delta["version"], delta["timestamp"], delta.get("clientToken")) == same
            assert delta["state"], "not published when empty"
            assert _shape(delta["metadata"]) == _mirror(delta["state"])
        if step.delta != _ANY:
            assert (delta and delta["state"]) == step.delta
        assert set(observed.seen) - {"delta"} == {"accepted", "documents"}
        self.version = accepted["version"]

    def _check_documents(self, documents: Json) -> None:
        previous, current = documents["previous"], documents["current"]
        assert (previous and previous["state"]) == self.state
        if previous is not None:
            assert previous["version"] == self.version
        assert set(current) == {"state", "metadata", "version"}
        assert "delta" not in current["state"], "documents carry no delta"
        self.state = current["state"]

    def _check_deletion(self, token: str | None, observed: Observed) -> None:
        assert observed.code == 200
        assert observed.answer["version"] == self.version, "that of the deleted document"
        assert set(observed.answer) == {"version", "timestamp"} | ({"clientToken"} if token else set())
        assert observed.answer.get("clientToken") == token
        assert observed.seen == {"accepted": observed.answer}
        self.state = None

    def _check_after(self, step: Step, observed: Observed) -> None:
        """What a ``get`` shows now is what was published."""
        if self.state is None:
            assert observed.after is None
            return
        state = dict(observed.after["state"])
        delta = state.pop("delta", None)
        assert delta != {}, "present only if non-empty"
        assert (state, observed.after["version"]) == (self.state, self.version)
        if step.code == 200 and step.operation is ShadowOperation.UPDATE:
            published = observed.seen.get("delta")
            assert delta == (published and published["state"]), "a get shows the delta that was published"
        if step.state != _ANY:
            assert state == step.state
        assert _shape(observed.after["metadata"]) == _mirror(state)
        if step.metadata != _ANY:
            assert _shape(observed.after["metadata"]) == step.metadata


def _token(sent: bytes) -> str | None:
    body = json.loads(sent)
    token: str | None = body.get("clientToken")
    return token


def _shape(metadata: Json) -> Json:
    """Metadata without its times: a leaf is ``"t"`` (1.7)."""
    if isinstance(metadata, list):
        return [_shape(each) for each in metadata]
    if set(metadata) == {"timestamp"} and isinstance(metadata["timestamp"], int):
        return "t"
    return {key: _shape(value) for key, value in metadata.items()}


def _mirror(state: Json) -> Json:
    """The shape of metadata that goes with a state (1.7 D)."""
    if isinstance(state, dict):
        return {key: _mirror(value) for key, value in state.items()}
    return [_mirror(each) for each in state] if isinstance(state, list) else "t"
