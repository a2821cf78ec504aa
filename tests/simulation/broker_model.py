"""A broker, the shadow service and jobs behind it, in memory, behind our sessions' seam (``Connector``, ``Transport``).

The shadows' rules are the local cloud's (``thing_operator_local.cloud``), which are judged against AWS's
documentation. Of MQTT it has what a session meets: one connection of a client id, QoS 1 with duplicates, order within
a connection and none between the answers of the service, last wills, connections that end, or that die without a word.
"""

import asyncio
import contextvars
import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from tests.simulation.broker_connection import Connection
from tests.simulation.jobs_model import JobsModel, JobUpdate
from tests.simulation.loop import PROCESS, SimulatedProcess, SimulationLoop, simulation_loop
from tests.simulation.shadow_update import ShadowUpdate
from tests.simulation.weather import BrokerWeather

from thing_operator.core.json_bytes import decode
from thing_operator.mqtt.errors import (
    EndpointUnreachableError,
    NotAuthorizedError,
    SessionLostError,
)
from thing_operator.mqtt.ports import Listener
from thing_operator.session import SessionSpec
from thing_operator_local.cloud.job_requests import JobRequest, read_job_topic
from thing_operator_local.cloud.shadow_service import (
    Publication,
    ShadowAnswer,
    ShadowOptions,
    ShadowRequest,
    ShadowService,
)
from thing_operator_local.cloud.shadow_topics import (
    CHILD_MARK,
    ShadowAddress,
    ShadowMessage,
    ShadowOperation,
    read_topic,
)

BROKER = "broker.simulation"
"""Its host."""

Observer = Callable[[str, SessionSpec, SimulatedProcess], None]
"""Called with what happened (DIALLED, CONNECT, TAKEOVER, END), whose session it is, for trace and invariants."""


class BrokerModel:
    """All connections and all shadows. ``certificates``: by fingerprint, the things that one may connect as."""

    def __init__(
        self,
        *,
        dice: random.Random,
        clock: Callable[[], float],
        observer: Observer,
        on_update: Callable[[ShadowUpdate], None],
        on_sent: Callable[[SimulatedProcess, str, dict[str, Any]], None],
        on_refused: Callable[[SimulatedProcess, str, dict[str, Any]], None],
        on_takeover: Callable[[Connection, SimulatedProcess], None],
        on_crossing: Callable[[SimulatedProcess], None],
        on_job_update: Callable[[JobUpdate], None] = lambda _update: None,
        on_job_sent: Callable[[SimulatedProcess, JobRequest], None] = lambda *_: None,
        on_shown: Callable[[SimulatedProcess, str, bytes], None] = lambda *_: None,
    ) -> None:
        """``clock`` gives epoch seconds. ``on_sent`` is called with what a session that is up sends for desired, and
        ``on_takeover`` with a connection that a process ends by another one. ``on_shown`` is called with each message
        that reaches a process, ``on_job_sent`` with each update of a job that one sends.
        """
        self.loop: SimulationLoop = simulation_loop()
        self.dice = dice
        self.service = ShadowService(clock, ShadowOptions())
        self.jobs = JobsModel(
            clock=clock, publish=lambda each: self._publish(each, BrokerWeather()), on_update=on_job_update
        )
        self.on_shown = on_shown
        self._on_job_sent = on_job_sent
        self.certificates: dict[str, str] = {}
        self.weathers: dict[str, BrokerWeather] = {}
        self.connections: dict[str, Connection] = {}
        self._unnoticed: dict[str, Connection] = {}
        """The connection of a thing that died last without a word."""
        self.on_crossing = on_crossing
        self._observer = observer
        self._on_update = on_update
        self._on_sent = on_sent
        self._on_refused = on_refused
        self._on_takeover = on_takeover

    def weather(self, process: SimulatedProcess) -> BrokerWeather:
        """How it is for a process; by its name, so it outlasts a restart."""
        return self.weathers.setdefault(process.name, BrokerWeather())

    def delay(self, process: SimulatedProcess) -> float:
        """Seconds of one way."""
        return 0.005 + self.dice.random() * (0.02 + self.weather(process).slow)

    # --- Connector

    async def dial(self, spec: SessionSpec, *, timeout: timedelta) -> Any:
        """DNS, TCP, TLS."""
        process = PROCESS.get()
        assert process is not None
        weather = self.weather(process)
        await asyncio.sleep(timeout.total_seconds() if weather.cut else self.delay(process))
        if weather.cut or weather.down:
            raise EndpointUnreachableError(f"{spec.endpoint.host} cannot be reached")
        return SimpleNamespace(close=lambda: None)

    async def connect(
        self, sock: object, spec: SessionSpec, *, keep_alive: int, timeout: timedelta, listener: Listener
    ) -> Connection:
        """CONNECT and CONNACK; an older connection of the client id ends."""
        process = PROCESS.get()
        assert process is not None
        self._observer("DIALLED", spec, process)
        self.on_crossing(process)
        await asyncio.sleep(self.delay(process))
        if self.weather(process).cut:
            await asyncio.sleep(timeout.total_seconds())
            raise SessionLostError("no CONNACK")
        if self.certificates.get(spec.identity.fingerprint) != spec.thing_name:
            raise NotAuthorizedError(f"the broker refuses the certificate of {spec.thing_name}")
        connection = Connection(self, spec, listener, process, contextvars.copy_context(), keep_alive)
        older = self.connections.get(spec.thing_name)
        self._observer("CONNECT", spec, process)
        self.connections[spec.thing_name] = connection
        if older is not None:
            self._observer("TAKEOVER", older.spec, older.process)
            self._on_takeover(older, process)
            older.end(SessionLostError("the broker closed the connection"), clean=False)
        try:
            await asyncio.sleep(self.delay(process))
        except BaseException:
            connection.drop()
            raise
        return connection

    def close(self) -> None:
        """The hub was closed."""

    # --- what happens to connections

    def ended(self, connection: Connection, *, clean: bool) -> None:
        """Forget a connection; its will is sent unless it ended with DISCONNECT."""
        name = connection.spec.thing_name
        if self.connections.get(name) is connection:
            del self.connections[name]
            self._observer("END", connection.spec, connection.process)
        will = connection.spec.will
        if will is not None and not clean:
            self.update("will", name, will.payload)

    def lose(self, name: str, *, silently: bool) -> None:
        """A connection dies: at once for both sides, or unnoticed by the session until its keep-alive is over."""
        connection = self.connections.get(name)
        if connection is None:
            return
        if silently:
            self._unnoticed[name] = connection
            connection.end(None, clean=False)
            self.loop.outside(connection.keep_alive * 1.5, connection.miss_keep_alive)
        else:
            connection.end(SessionLostError("the connection was reset"), clean=False)

    def has_died_unnoticed(self, name: str) -> bool:
        """Whether a session goes on as if its connection, which has died without a word, were there."""
        connection = self._unnoticed.get(name)
        return connection is not None and not (connection.is_left or connection.process.dead)

    def bury(self, process: SimulatedProcess) -> None:
        """A process was killed: its connections are reset."""
        for connection in tuple(self.connections.values()):
            if connection.process is process:
                self.loop.outside(self.delay(process), connection.reset)

    def intrude(self, name: str) -> None:
        """Somebody else connects with this client id, and is done a moment later."""
        connection = self.connections.get(name)
        if connection is not None:
            self._observer("TAKEOVER", connection.spec, connection.process)
            connection.end(SessionLostError("the broker closed the connection"), clean=False)

    # --- the service

    def sent(self, connection: Connection, topic: str, payload: bytes) -> None:
        """A process publishes; a dead one does not."""
        if not topic.endswith("/update") or not connection.up or connection.process.dead:
            return
        job = read_job_topic(topic, payload)
        desired = decode(payload).get("state", {}).get("desired") if job is None else None
        if job is not None:
            self._on_job_sent(connection.process, job)
        elif isinstance(desired, dict):
            self._on_sent(connection.process, topic.split("/")[2], desired)

    def on_publish(self, connection: Connection, topic: str, payload: bytes) -> None:
        """What a session publishes: a request to the service, or a report by MIC's topic."""
        process, weather = connection.process, self.weather(connection.process)
        if topic.startswith("tcxn/things/") and topic.endswith("/shadow/update"):
            self.update(process.label, topic.split("/")[2], payload, process=process)
            return
        job, read = read_job_topic(topic, payload), read_topic(topic)
        if job is not None and self.dice.random() >= weather.lose_request:
            self.loop.outside(self.delay(process) + weather.late_jobs, self._serve_job, job, process)
        if read is None or read.message is not None or self.dice.random() < weather.lose_request:
            return
        request = ShadowRequest(read.address.thing, read.address.shadow, read.operation, payload)
        self.loop.outside(self.delay(process), self._serve, request, process)

    def _serve(self, request: ShadowRequest, process: SimulatedProcess) -> None:
        weather = self.weather(process)
        if refused := self._refused(request, weather):
            self._on_refused(process, request.thing, decode(request.payload).get("state") or {})
            self._publish(refused.publications, weather)
            return
        if request.operation is ShadowOperation.UPDATE:
            answer = self._update(process.label, request, process)
        else:
            answer = self.service.handle(request)
        if self.dice.random() >= weather.lose_answer:
            self._publish(answer.publications, weather)

    def _serve_job(self, request: JobRequest, process: SimulatedProcess) -> None:
        weather = self.weather(process)
        answer, notifications = self.jobs.handle(request, process)
        self._publish(notifications, weather)
        if self.dice.random() >= weather.lose_answer:
            self._publish([answer], weather)

    def _refused(self, request: ShadowRequest, weather: BrokerWeather) -> ShadowAnswer | None:
        for probability, code in ((weather.throttle, 429), (weather.too_large, 413)):
            if request.operation is ShadowOperation.UPDATE and self.dice.random() < probability:
                token = decode(request.payload).get("clientToken")
                return ShadowAnswer.refusal(request, code, "refused by the weather", token=token, time=None)
        return None

    def update(
        self, author: str, thing: str, payload: bytes, *, process: SimulatedProcess | None = None
    ) -> ShadowAnswer:
        """An update that did not come by the session's topics: of REST, of a will, of MIC."""
        request = ShadowRequest(thing, None, ShadowOperation.UPDATE, payload)
        answer = self._update(author, request, process)
        self._publish(answer.publications, self._weather_at(thing))
        return answer

    def delete_shadow(self, thing: str) -> None:
        """By somebody else."""
        answer = self.service.handle(ShadowRequest(thing, None, ShadowOperation.DELETE))
        self._publish(answer.publications, self._weather_at(thing))

    def _weather_at(self, thing: str) -> BrokerWeather:
        """How messages reach whoever is connected as a thing."""
        connection = self.connections.get(thing.partition(CHILD_MARK)[0])
        return BrokerWeather() if connection is None else self.weather(connection.process)

    def _update(self, author: str, request: ShadowRequest, process: SimulatedProcess | None) -> ShadowAnswer:
        before = self.state(request.thing)
        answer = self.service.handle(request)
        if answer.accepted:
            state = decode(request.payload).get("state") or {}
            self._on_update(
                ShadowUpdate(author, process, request.thing, state, before, self.state(request.thing))
            )
        return answer

    def fingerprint(self, thing: str) -> str | None:
        """Of the certificate that a thing is connected with; None when it is not."""
        connection = self.connections.get(thing)
        return None if connection is None else connection.spec.identity.fingerprint

    def serves(self, parent: str, child: str) -> bool:
        """Whether a thing is connected, and follows the shadow of this networked child, too."""
        connection = self.connections.get(parent)
        topic = ShadowAddress(child).topic(ShadowOperation.UPDATE, ShadowMessage.ACCEPTED)
        return connection is not None and connection.is_subscribed(topic)

    def state(self, thing: str) -> dict[str, Any]:
        """Desired and reported as they are."""
        document = self.service.document(ShadowAddress(thing))
        return document["state"] if document else {}

    def version(self, thing: str) -> int | None:
        """The shadow's version; None when there is no shadow."""
        document = self.service.document(ShadowAddress(thing))
        return document["version"] if document else None

    def _publish(self, publications: Iterable[Publication], weather: BrokerWeather) -> None:
        for each in publications:
            self.loop.outside(
                self.dice.random() * (0.01 + weather.slow), self._deliver, each.topic, each.payload
            )
            if self.dice.random() < weather.duplicate:
                self.loop.outside(self.dice.random() * 2, self._deliver, each.topic, each.payload)

    def _deliver(self, topic: str, payload: bytes) -> None:
        connection = self.connections.get(topic.split("/")[2].partition(CHILD_MARK)[0])
        if connection is None:
            return
        if self.dice.random() < self.weather(connection.process).drop:
            connection.end(SessionLostError("the connection was reset"), clean=False)
        else:
            connection.deliver(topic, payload)
