"""What the documentation leaves open, asked of a real endpoint.

The questions are those of docs/background/aws-iot-shadow.md#open-questions and docs/background/mic.md#open-questions.
They go over MQTT with a thing's certificate, as its device would put them. Without ``write`` nothing is
changed: topics are subscribed, and shadows are read. With it one key of the classic shadow, KEY, comes and goes.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from thing_operator.core.errors import ToolError
from thing_operator.probe.connection import (
    A_SECOND,
    ConnectionEndedError,
    Json,
    ProbeConnection,
    ProbeTarget,
)
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics

KEY: Final = "thing_operator_probe"

_GUIDE: Final = "https://docs.aws.amazon.com/iot/latest/developerguide"
_CLIENT_IDS: Final = f"{_GUIDE}/connect-policy.html"
_RESERVED_TOPICS: Final = f"{_GUIDE}/reserved-topics.html"
_TOPICS: Final = f"{_GUIDE}/device-shadow-mqtt.html"
_ERRORS: Final = f"{_GUIDE}/device-shadow-error-messages.html"
_DOCUMENT: Final = f"{_GUIDE}/device-shadow-document.html"
_TOKENS: Final = f"{_DOCUMENT}#client-token"
_DELTA: Final = f"{_DOCUMENT}#delta-state"
_EMPTY: Final = f"{_DOCUMENT}#device-shadow-empty-fields"
_PROPERTIES: Final = f"{_DOCUMENT}#document-structure"
_VERSIONS: Final = f"{_DOCUMENT}#versioning"


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """``source`` is the page of AWS's documentation that the question is about and that leaves it open."""

    question: str
    source: str
    found: str


def probe(target: ProbeTarget, *, write: bool) -> Iterator[ProbeAnswer]:
    """Ask; an answer at a time. Raises ToolError when the thing itself is not let in."""
    yield _client_id(target)
    yield from _policy(target)
    try:
        with ProbeConnection(target, target.thing) as link:
            yield from _read(link)
            if write:
                yield from _write(link)
    except (ConnectionEndedError, TimeoutError) as error:
        raise _not_let_in(target, error) from None


# What the certificate's policy allows


def _client_id(target: ProbeTarget) -> ProbeAnswer:
    question = "may the client id be another one than the thing's name?"
    try:
        with ProbeConnection(target, f"{target.thing}-probe"):
            found = "yes"
    except ConnectionEndedError as error:
        found = f"no: {error}" if str(error) else "no: the connection is closed"
    return ProbeAnswer(question, _CLIENT_IDS, found)


def _policy(target: ProbeTarget) -> Iterator[ProbeAnswer]:
    topics = ShadowTopics(target.thing)
    answers = [topics.topic(each, kind) for each in Operation for kind in (Kind.ACCEPTED, Kind.REJECTED)]
    answers += [topics.topic(Operation.UPDATE, kind) for kind in (Kind.DELTA, Kind.DOCUMENTS)]
    refused = [topic.removeprefix(f"{topics.prefix}/") for topic in answers if not _allowed(target, topic)]
    found = f"all but {', '.join(refused)}" if refused else f"all {len(answers)}"
    yield ProbeAnswer("which response topics may be subscribed to?", _TOPICS, found)
    others = {
        "and all of them by a wildcard?": (_TOPICS, f"{topics.prefix}/#"),
        "the topics of a named shadow?": (_TOPICS, ShadowTopics(target.thing, KEY).update_accepted),
        "jobs?": (_RESERVED_TOPICS, f"$aws/things/{target.thing}/jobs/notify-next"),
    }
    for question, (source, topic) in others.items():
        yield ProbeAnswer(question, source, "yes" if _allowed(target, topic) else "no")


def _allowed(target: ProbeTarget, topic: str) -> bool:
    """On a connection of its own: AWS closes the one on which something forbidden is asked for."""
    try:
        with ProbeConnection(target, target.thing) as link:
            try:
                return link.subscribe(topic)
            except (ConnectionEndedError, TimeoutError):
                return False
    except ConnectionEndedError as error:
        raise _not_let_in(target, error) from None


def _not_let_in(target: ProbeTarget, error: Exception) -> ToolError:
    detail = f" ({error})" if str(error) else ""
    return ToolError(
        f"{target.host}:{target.port} does not let {target.thing} in, or ends its connection{detail}: check the "
        "certificate, its policy, and that no other client has this id"
    )


# What the shadow service answers


def _read(link: ProbeConnection) -> Iterator[ProbeAnswer]:
    kind, body = link.ask(link.topics, Operation.GET, {"clientToken": "probe"})
    echo = "with" if body.get("clientToken") == "probe" else "without"
    found = f"version {body['version']}" if kind is Kind.ACCEPTED else f"{body['code']} {body['message']!r}"
    yield ProbeAnswer("the classic shadow", _TOKENS, f"{found}, {echo} the token")
    named = ShadowTopics(link.topics.thing, KEY)
    question = "the answer for a named shadow that is not there"
    try:
        kind, body = link.ask(named, Operation.GET, {})
    except TimeoutError:
        yield ProbeAnswer(question, _ERRORS, "none")
        return
    time_is = "with" if "timestamp" in body else "without"
    yield ProbeAnswer(question, _ERRORS, f"{body.get('code')} {body.get('message')!r}, {time_is} timestamp")


def _write(link: ProbeConnection) -> Iterator[ProbeAnswer]:
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


def _write_numbers(link: ProbeConnection, *, fresh: bool) -> Iterator[ProbeAnswer]:
    _update(link, desired={KEY: {"n": 1}})
    documents = link.hear(link.topics.topic(Operation.UPDATE, Kind.DOCUMENTS)) or {}
    if fresh:
        previous = "null" if "previous" in documents else "absent"
        yield ProbeAnswer("`previous` of the first documents message", _TOPICS, previous)
    link.hear(link.topics.topic(Operation.UPDATE, Kind.DELTA))
    first = _update(link, reported={KEY: {"n": 1.0}})
    delta = link.hear(link.topics.topic(Operation.UPDATE, Kind.DELTA)) or {}
    differ = KEY in delta.get("state", {})
    yield ProbeAnswer("do 1 and 1.0 differ?", _DELTA, "yes" if differ else "no")
    time.sleep(A_SECOND)
    second = _update(link, reported={KEY: {"n": 1.0}})
    times = [each["metadata"]["reported"][KEY]["n"]["timestamp"] for each in (first, second)]
    found = "it is new" if times[0] != times[1] else "it stays"
    yield ProbeAnswer("the metadata time of an equal value written again", _PROPERTIES, found)


def _write_objects(link: ProbeConnection) -> Iterator[ProbeAnswer]:
    _update(link, desired={KEY: {}})
    kept = _desired(link).get(KEY) == {"n": 1}
    yield ProbeAnswer("{} over an object", _EMPTY, "changes nothing" if kept else "replaces the object")
    accepted = _update(link, desired={KEY: {"n": None}})
    metadata = json.dumps(accepted.get("metadata", {}))
    yield ProbeAnswer("the metadata of a null in accepted", _PROPERTIES, metadata)
    stays = KEY in _desired(link)
    yield ProbeAnswer(
        "an object whose last key became null",
        _EMPTY,
        "stays as {}" if stays else "disappears",
    )


def _write_again(link: ProbeConnection) -> ProbeAnswer:
    """There was no shadow before: it is deleted, made, and deleted again."""
    _, deleted = link.ask(link.topics, Operation.DELETE, {})
    made = _update(link, reported={KEY: 1})
    link.ask(link.topics, Operation.DELETE, {})
    found = f"deleted at {deleted['version']}, recreated with {made['version']}"
    return ProbeAnswer("the version after delete and create", _VERSIONS, found)


def _update(link: ProbeConnection, **state: Json) -> Json:
    kind, body = link.ask(link.topics, Operation.UPDATE, {"state": state})
    if kind is Kind.REJECTED:
        raise ToolError(f"the shadow service refused an update: {body.get('code')} {body.get('message')}")
    return body


def _desired(link: ProbeConnection) -> Json:
    return link.ask(link.topics, Operation.GET, {})[1].get("state", {}).get("desired", {})
