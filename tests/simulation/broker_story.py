"""One story for any broker: what sessions do, step by step, and what each step brings.

Played on the model and on the local cloud over TLS, it is the same story. The order of messages that come together
is nobody's promise, so those of one step are sorted.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.support.polling import until

from thing_operator.mqtt.errors import CONNECT_ERRORS, ConnectError
from thing_operator.mqtt.ports import Connector, Listener, Transport
from thing_operator.session import SessionSpec, Will

_PATIENCE = timedelta(seconds=30)
_KEEP_ALIVE = 60
_PAUSE = 0.2
"""Seconds between two looks at a shadow: the service answers twenty requests a second."""
_VARIES = frozenset(
    {"timestamp", "queuedAt", "startedAt", "lastUpdatedAt", "approximateSecondsBeforeTimedOut", "metadata"}
)
"""What is another one each time."""
_GET = ("shadow/get/accepted", "shadow/get/rejected")
_UPDATE = (
    "shadow/update/accepted",
    "shadow/update/rejected",
    "shadow/update/documents",
    "shadow/update/delta",
)

Json = dict[str, Any]


@dataclass(frozen=True)
class BrokerWorld:
    """Where the story takes place: the connector, things that may connect, and who makes jobs (of an id, for a thing).

    ``settling``: seconds after which everything has arrived, beyond what the answers to later requests show.
    """

    connector: Connector
    things: tuple[SessionSpec, ...]
    create_job: Callable[[str, str], Any]
    settling: float


@dataclass(eq=False)
class Client(Listener):
    """One connection, and what has come on it."""

    spec: SessionSpec
    transport: Transport | None = None
    end: ConnectError | None = None
    arrived: list[tuple[str, Json]] = field(default_factory=list)
    _asked: int = 0

    def on_message(self, topic: str, payload: bytes) -> None:
        """See ``Listener``."""
        self.arrived.append((topic, json.loads(payload)))

    def on_end(self, error: ConnectError) -> None:
        """See ``Listener``."""
        self.end = error

    @property
    def up(self) -> Transport:
        """What to publish by."""
        assert self.transport is not None
        return self.transport

    def topic(self, rest: str, *, child: str = "") -> str:
        """One of its thing's, or of a networked child's."""
        return f"$aws/things/{self.spec.thing_name}{child}/{rest}"

    def publish(self, rest: str, body: Json, *, child: str = "") -> None:
        """On one of its topics."""
        self.up.publish(self.topic(rest, child=child), json.dumps(body).encode())

    async def subscribe(self, *filters: str, child: str = "") -> list[int]:
        """The code of each filter."""
        return list(await self.up.subscribe([self.topic(each, child=child) for each in filters]))

    async def read(self) -> Json:
        """The answer to a get, which is kept out of what has come. The topics of its answers are subscribed to."""
        self._asked += 1
        token = f"read {self._asked}"
        self.publish("shadow/get", {"clientToken": token})

        def answered() -> tuple[str, Json] | None:
            return next((each for each in self.arrived if each[1].get("clientToken") == token), None)

        found = await until(answered, "the answer to a get")
        self.arrived.remove(found)
        return found[1]


class BrokerStory:
    """Notes what each step brings, in words that are the same everywhere."""

    def __init__(self, world: BrokerWorld) -> None:
        self.world = world
        self.lines: list[str] = []
        self._clients: list[Client] = []

    def close(self) -> None:
        """End what is still connected."""
        for client in self._clients:
            client.up.close()

    async def connect(self, words: str, thing: int, **changes: Any) -> Client:
        """Connect as one of the things, with ``changes`` of its spec, and subscribe to the answers of get."""
        client = Client(replace(self.world.things[thing], **changes))
        try:
            sock = await self.world.connector.dial(client.spec, timeout=_PATIENCE)
            client.transport = await self.world.connector.connect(
                sock, client.spec, keep_alive=_KEEP_ALIVE, timeout=_PATIENCE, listener=client
            )
        except CONNECT_ERRORS as error:
            self.say(f"{words}: {type(error).__name__}")
            return client
        self._clients.append(client)
        self.say(f"{words}: connected, {await client.subscribe(*_GET)}")
        return client

    async def brings(self, words: str, client: Client, count: int) -> None:
        """Wait for so many messages, and see that no more come."""
        await until(lambda: len(client.arrived) >= count, f"{words}: {count} messages")
        await client.read()
        await asyncio.sleep(self.world.settling)
        found, client.arrived = client.arrived, []
        self.say(f"{words}:")
        self.lines += sorted(self._nameless(f"  {topic} {_same(body)}") for topic, body in found)

    async def shadow(self, words: str, client: Client, reported: Json) -> None:
        """Wait until a thing has reported this; its version is noted."""

        async def has() -> Json | None:
            found = await client.read()
            if found.get("state", {}).get("reported") == reported:
                return found | {"clientToken": ""}  # it may have been asked for several times
            await asyncio.sleep(_PAUSE)
            return None

        self.say(f"{words}: {_same(await until(has, words))}")

    def say(self, line: str) -> None:
        """Note a line."""
        self.lines.append(self._nameless(line))

    def _nameless(self, line: str) -> str:
        """The names of things are others each time."""
        for number, spec in enumerate(self.world.things):
            line = line.replace(spec.thing_name, f"thing-{number}")
        return line


async def tell(world: BrokerWorld) -> list[str]:
    """The whole story; each chapter has a thing of its own."""
    story = BrokerStory(world)
    try:
        for thing, chapter in enumerate(_CHAPTERS):
            await chapter(story, thing)
        stranger = world.things[0].identity
        await story.connect("with the certificate of another thing", len(_CHAPTERS), identity=stranger)
    finally:
        story.close()
    return story.lines


async def _of_shadows(story: BrokerStory, thing: int) -> None:
    client = await story.connect("a new thing", thing)
    story.say(f"{await client.subscribe(*_UPDATE)}, and there is {_same(await client.read())}")
    for words, state, count in (
        ("the first update", {"desired": {"a": 1, "b": {"c": [1, {"d": 2}]}}}, 3),
        ("a report of a part", {"reported": {"a": 1}}, 3),
        ("a report of the rest", {"reported": {"b": {"c": [1, {"d": 2}]}}}, 2),
        ("a report of something else", {"reported": {"e": True}}, 2),
        ("the same desired again", {"desired": {"a": 1}}, 2),
        ("null removes", {"desired": {"a": None}, "reported": {"e": None}}, 2),
        ("another kind of number", {"desired": {"a": 1.0}}, 2),
        ("null of a section", {"desired": None}, 2),
    ):
        client.publish("shadow/update", {"state": state, "clientToken": words})
        await story.brings(words, client, count)


async def _of_versions(story: BrokerStory, thing: int) -> None:
    client = await story.connect("another new thing", thing)
    await client.subscribe(*_UPDATE, "shadow/delete/accepted", "shadow/delete/rejected")
    asked: tuple[tuple[str, str, Json, int], ...] = (
        ("deleted before there is one", "delete", {}, 1),
        ("made", "update", {"state": {"desired": {"a": 1}}, "version": 1}, 3),
        ("as of its version", "update", {"state": {"desired": {"a": 2}}, "version": 1}, 3),
        ("as of an older version", "update", {"state": {"desired": {"a": 3}}, "version": 1}, 1),
        ("no state", "update", {"clientToken": "none"}, 1),
        ("a section that there is not", "update", {"state": {"wanted": {}}}, 1),
        ("deleted", "delete", {"clientToken": "delete"}, 1),
        ("made again", "update", {"state": {"desired": {"a": 4}}}, 3),
    )
    for words, operation, body, count in asked:
        client.publish(f"shadow/{operation}", body)
        await story.brings(words, client, count)


async def _of_filters(story: BrokerStory, thing: int) -> None:
    client = await story.connect("a thing that listens to little", thing)
    update = {"state": {"desired": {"a": 1}}}
    client.publish("shadow/update", update)
    await story.brings("without a subscription", client, 0)
    await client.subscribe("shadow/update/documents")
    await story.brings("nothing is retained", client, 0)
    client.publish("shadow/update", update)
    await story.brings("one filter", client, 1)
    await client.subscribe("shadow/+/accepted")
    client.publish("shadow/update", update)
    await story.brings("a filter with a wildcard besides", client, 2)
    await client.up.unsubscribe([client.topic("shadow/update/documents")])
    client.publish("shadow/update", update)
    await story.brings("without the first one", client, 1)
    await client.up.publish_confirmed(client.topic("shadow/update"), json.dumps(update).encode())
    await story.brings("once more, with its PUBACK", client, 1)


def _offline(spec: SessionSpec, number: int) -> Will:
    state = {"state": {"reported": {"left": number}}}
    return Will(f"tcxn/things/{spec.thing_name}/shadow/update", json.dumps(state).encode())


async def _of_wills(story: BrokerStory, thing: int) -> None:
    spec = story.world.things[thing]
    client = await story.connect("with a will", thing, will=_offline(spec, 1))
    client.up.publish(f"tcxn/things/{spec.thing_name}/shadow/update", b'{"state":{"reported":{"left":0}}}')
    await story.shadow("what MIC hands on", client, {"left": 0})
    client.up.drop()
    await asyncio.sleep(story.world.settling)
    client = await story.connect("after an end without DISCONNECT", thing, will=_offline(spec, 2))
    await story.shadow("the will was sent", client, {"left": 1})
    client.up.close()
    await asyncio.sleep(story.world.settling)
    client = await story.connect("after DISCONNECT", thing)
    await story.shadow("the will was not sent", client, {"left": 1})


async def _of_takeovers(story: BrokerStory, thing: int) -> None:
    spec = story.world.things[thing]
    first = await story.connect("the first one", thing, will=_offline(spec, 1))
    second = await story.connect("a second one of its client id", thing)
    await until(lambda: first.end, "the end of the first one")
    story.say(f"the first one has ended: {type(first.end).__name__}")
    await story.shadow("its will was sent", second, {"left": 1})
    await second.subscribe(*_UPDATE)
    second.publish("shadow/update", {"state": {"desired": {"a": 1}}})
    await story.brings("the second one goes on", second, 3)


async def _of_children(story: BrokerStory, thing: int) -> None:
    client = await story.connect("a parent", thing)
    story.say(f"its child: {await client.subscribe(*_UPDATE, child='__door')}")
    client.publish("shadow/update", {"state": {"desired": {"open": True}}}, child="__door")
    await story.brings("a child's shadow is spoken of by its parent", client, 3)
    client.publish("shadow/update", {"state": {"desired": {"a": 1}}})
    await story.brings("its own one is another", client, 0)


async def _of_jobs(story: BrokerStory, thing: int) -> None:
    client = await story.connect("a thing with jobs", thing)
    requests, outcomes = ("start-next", "+/get", "+/update"), ("accepted", "rejected")
    answers = [f"jobs/{each}/{word}" for each in requests for word in outcomes]
    story.say(f"of jobs: {await client.subscribe('jobs/notify-next', *answers)}")
    client.publish("jobs/start-next", {"clientToken": "none"})
    await story.brings("there is none", client, 1)
    name = f"{client.spec.thing_name}-job"
    story.world.create_job(name, client.spec.thing_name)
    await story.brings("one is made", client, 1)
    asked: tuple[tuple[str, str, Json, int], ...] = (
        ("it is started", "start-next", {"statusDetails": {"progress": "0"}}, 1),
        ("and described", f"{name}/get", {"executionNumber": 1, "includeJobDocument": True}, 1),
        ("its progress", f"{name}/update", {"status": "IN_PROGRESS", "expectedVersion": 2}, 1),
        ("as of an older version", f"{name}/update", {"status": "SUCCEEDED", "expectedVersion": 2}, 1),
        ("its end", f"{name}/update", {"status": "SUCCEEDED", "expectedVersion": 3}, 2),
        ("once more", f"{name}/update", {"status": "FAILED", "clientToken": "late"}, 1),
        ("described when it has ended", f"{name}/get", {"clientToken": "ended"}, 1),
        ("one that there never was", "unknown/get", {}, 1),
    )
    for words, rest, body, count in asked:
        client.publish(f"jobs/{rest}", body)
        await story.brings(words, client, count)


_CHAPTERS = (_of_shadows, _of_versions, _of_filters, _of_wills, _of_takeovers, _of_children, _of_jobs)


def _same(body: Json) -> str:
    """What is the same each time."""
    return json.dumps(_without(body), sort_keys=True)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(each) for name, each in value.items() if name not in _VARIES}
    return [_without(each) for each in value] if isinstance(value, list) else value
