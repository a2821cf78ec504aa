"""What the documentation leaves open, asked of a real endpoint.

The questions are those of docs/background/aws-iot-shadow.md#open-questions and docs/background/mic.md#open-questions.

The questions go over MQTT with a thing's certificate, as its device would put them. Without ``write`` nothing is
changed: topics are subscribed, and shadows are read. With it one key of the classic shadow, KEY, comes and goes.
"""

import json
import queue
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from thing_operator_local.errors import LocalError
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics

KEY: Final = "thing_operator_probe"
_ALPN_PORT: Final = 443
_WITHIN: Final = 10.0
"""Seconds for an answer."""
_A_SECOND: Final = 1.1
"""Shadow metadata counts in whole ones."""

_ERROR_CODES: Final = "docs/background/aws-iot-shadow.md#error-codes"
_EQUALITY: Final = "docs/background/aws-iot-shadow.md#equality"
_METADATA: Final = "docs/background/aws-iot-shadow.md#metadata"
_NAMED_404: Final = "docs/background/aws-iot-shadow.md#open-questions"
_PREVIOUS: Final = "docs/background/aws-iot-shadow.md#answers"
_RESPONSE_TOPICS: Final = "docs/background/aws-iot-shadow.md#topics"
_VERSION_AFTER_DELETE: Final = "docs/background/aws-iot-shadow.md#versions"
_POLICY: Final = "docs/background/mic.md#what-a-things-policy-allows"

Json = Any


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint, and the thing that asks. ``ca`` None: the system's roots."""

    host: str
    port: int
    thing: str
    certificate: Path
    private_key: Path
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``source``: where the question is written down, such as "docs/background/aws-iot-shadow.md#limits"."""

    question: str
    source: str
    found: str


class _ClosedError(Exception):
    """The other side ended the connection."""


class _Connection:
    """One MQTT connection. Raises LocalError when it cannot be made at all, _ClosedError once it has ended."""

    def __init__(self, target: Target, client_id: str) -> None:
        self.topics = ShadowTopics(target.thing)
        self._target = target
        self._granted: set[str] = set()
        self._news: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.tls_set_context(_context(target))
        self._client.on_connect = lambda *told: self._news.put(("connack", told[3].getName()))
        self._client.on_subscribe = lambda *told: self._news.put(("suback", told[3][0].value))
        self._client.on_message = lambda *told: self._news.put((told[2].topic, bytes(told[2].payload)))
        self._client.on_disconnect = lambda *_: self._news.put(("closed", None))

    def __enter__(self) -> Self:
        target = self._target
        try:
            self._client.connect(target.host, target.port, keepalive=60)
        except OSError as error:
            raise LocalError(f"{target.host}:{target.port} cannot be reached: {error}") from None
        self._client.loop_start()
        try:
            code = self._next("connack")
        except (_ClosedError, TimeoutError) as error:
            self.__exit__()
            raise _ClosedError from error
        if code != "Success":
            self.__exit__()
            raise _ClosedError(code)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic: str) -> bool:
        """Whether it is granted; what was granted before is not asked for again."""
        if topic in self._granted:
            return True
        self._client.subscribe(topic, qos=1)
        if self._next("suback") > 1:
            return False
        self._granted.add(topic)
        return True

    def ask(self, topics: ShadowTopics, operation: Operation, body: Json) -> tuple[Kind, Json]:
        """The answer, accepted or rejected."""
        answers = {topics.topic(operation, kind): kind for kind in (Kind.ACCEPTED, Kind.REJECTED)}
        for topic in answers:
            self.subscribe(topic)
        self._client.publish(topics.topic(operation), json.dumps(body), qos=1)
        topic, payload = self._first(set(answers))
        return answers[topic], json.loads(payload)

    def hear(self, topic: str) -> Json | None:
        """The next message on a topic that is subscribed to, None when none comes."""
        try:
            return json.loads(self._next(topic, within=_A_SECOND))
        except TimeoutError:
            return None

    def _next(self, wanted: str, *, within: float = _WITHIN) -> Any:
        return self._first({wanted}, within=within)[1]

    def _first(self, wanted: set[str], *, within: float = _WITHIN) -> tuple[str, Any]:
        deadline = time.monotonic() + within
        while True:
            try:
                what, news = self._news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError from None
            if what in wanted:
                return what, news
            if what == "closed":
                raise _ClosedError


def probe(target: Target, *, write: bool) -> Iterator[Answer]:
    """Ask; an answer at a time. Raises LocalError when the thing itself is not let in."""
    yield _client_id(target)
    yield from _policy(target)
    try:
        with _Connection(target, target.thing) as link:
            yield from _read(link)
            if write:
                yield from _write(link)
    except (_ClosedError, TimeoutError) as error:
        raise _not_let_in(target, error) from None


# What the certificate's policy allows


def _client_id(target: Target) -> Answer:
    question = "may the client id be another one than the thing's name?"
    try:
        with _Connection(target, f"{target.thing}-probe"):
            found = "yes"
    except _ClosedError as error:
        found = f"no: {error}" if str(error) else "no: the connection is closed"
    return Answer(question, _POLICY, found)


def _policy(target: Target) -> Iterator[Answer]:
    topics = ShadowTopics(target.thing)
    answers = [topics.topic(each, kind) for each in Operation for kind in (Kind.ACCEPTED, Kind.REJECTED)]
    answers += [topics.topic(Operation.UPDATE, kind) for kind in (Kind.DELTA, Kind.DOCUMENTS)]
    refused = [topic.removeprefix(f"{topics.prefix}/") for topic in answers if not _allowed(target, topic)]
    found = f"all but {', '.join(refused)}" if refused else f"all {len(answers)}"
    yield Answer("which response topics may be subscribed to?", _RESPONSE_TOPICS, found)
    others = {
        "and all of them by a wildcard?": (_RESPONSE_TOPICS, f"{topics.prefix}/#"),
        "the topics of a named shadow?": (_POLICY, ShadowTopics(target.thing, KEY).update_accepted),
        "jobs?": (_POLICY, f"$aws/things/{target.thing}/jobs/notify-next"),
    }
    for question, (source, topic) in others.items():
        yield Answer(question, source, "yes" if _allowed(target, topic) else "no")


def _allowed(target: Target, topic: str) -> bool:
    """On a connection of its own: AWS closes the one on which something forbidden is asked for."""
    try:
        with _Connection(target, target.thing) as link:
            try:
                return link.subscribe(topic)
            except (_ClosedError, TimeoutError):
                return False
    except _ClosedError as error:
        raise _not_let_in(target, error) from None


def _not_let_in(target: Target, error: Exception) -> LocalError:
    detail = f" ({error})" if str(error) else ""
    return LocalError(
        f"{target.host}:{target.port} does not let {target.thing} in, or ends its connection{detail}: check the "
        "certificate, its policy, and that no other client has this id"
    )


# What the shadow service answers


def _read(link: _Connection) -> Iterator[Answer]:
    kind, body = link.ask(link.topics, Operation.GET, {"clientToken": "probe"})
    echo = "with" if body.get("clientToken") == "probe" else "without"
    found = f"version {body['version']}" if kind is Kind.ACCEPTED else f"{body['code']} {body['message']!r}"
    yield Answer("the classic shadow", _ERROR_CODES, f"{found}, {echo} the token")
    named = ShadowTopics(link.topics.thing, KEY)
    question = "the answer for a named shadow that is not there"
    try:
        kind, body = link.ask(named, Operation.GET, {})
    except TimeoutError:
        yield Answer(question, _NAMED_404, "none")
        return
    time_is = "with" if "timestamp" in body else "without"
    yield Answer(question, _NAMED_404, f"{body.get('code')} {body.get('message')!r}, {time_is} timestamp")


def _write(link: _Connection) -> Iterator[Answer]:
    kind, _ = link.ask(link.topics, Operation.GET, {})
    fresh = kind is Kind.REJECTED
    link.subscribe(link.topics.topic(Operation.UPDATE, Kind.DOCUMENTS))
    link.subscribe(link.topics.topic(Operation.UPDATE, Kind.DELTA))
    try:
        yield from _write_numbers(link, fresh=fresh)
        yield from _write_objects(link)
    finally:
        _update(link, desired={KEY: None}, reported={KEY: None})
    if fresh:
        yield _write_again(link)


def _write_numbers(link: _Connection, *, fresh: bool) -> Iterator[Answer]:
    _update(link, desired={KEY: {"n": 1}})
    documents = link.hear(link.topics.topic(Operation.UPDATE, Kind.DOCUMENTS)) or {}
    if fresh:
        previous = "null" if "previous" in documents else "absent"
        yield Answer("`previous` of the first documents message", _PREVIOUS, previous)
    link.hear(link.topics.topic(Operation.UPDATE, Kind.DELTA))
    first = _update(link, reported={KEY: {"n": 1.0}})
    delta = link.hear(link.topics.topic(Operation.UPDATE, Kind.DELTA)) or {}
    differ = KEY in delta.get("state", {})
    yield Answer("do 1 and 1.0 differ?", _EQUALITY, "yes" if differ else "no")
    time.sleep(_A_SECOND)
    second = _update(link, reported={KEY: {"n": 1.0}})
    times = [each["metadata"]["reported"][KEY]["n"]["timestamp"] for each in (first, second)]
    found = "it is new" if times[0] != times[1] else "it stays"
    yield Answer("the metadata time of an equal value written again", _METADATA, found)


def _write_objects(link: _Connection) -> Iterator[Answer]:
    _update(link, desired={KEY: {}})
    kept = _desired(link).get(KEY) == {"n": 1}
    yield Answer("{} over an object", _EQUALITY, "changes nothing" if kept else "replaces the object")
    accepted = _update(link, desired={KEY: {"n": None}})
    metadata = json.dumps(accepted.get("metadata", {}))
    yield Answer("the metadata of a null in accepted", _METADATA, metadata)
    stays = KEY in _desired(link)
    yield Answer(
        "an object whose last key became null",
        _METADATA,
        "stays as {}" if stays else "is gone",
    )


def _write_again(link: _Connection) -> Answer:
    """There was no shadow before: it is deleted, made, and deleted again."""
    _, deleted = link.ask(link.topics, Operation.DELETE, {})
    made = _update(link, reported={KEY: 1})
    link.ask(link.topics, Operation.DELETE, {})
    found = f"deleted at {deleted['version']}, made anew with {made['version']}"
    return Answer("the version after delete and create", _VERSION_AFTER_DELETE, found)


def _update(link: _Connection, **state: Json) -> Json:
    kind, body = link.ask(link.topics, Operation.UPDATE, {"state": state})
    if kind is Kind.REJECTED:
        raise LocalError(f"the shadow service refused an update: {body.get('code')} {body.get('message')}")
    return body


def _desired(link: _Connection) -> Json:
    return link.ask(link.topics, Operation.GET, {})[1].get("state", {}).get("desired", {})


def _context(target: Target) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=target.ca)
        context.load_cert_chain(target.certificate, target.private_key)
    except (OSError, ssl.SSLError) as error:
        raise LocalError(f"certificate, key or CA cannot be used: {error}") from None
    if target.port == _ALPN_PORT:
        context.set_alpn_protocols(["x-amzn-mqtt-ca"])
    return context
