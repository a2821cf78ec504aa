"""The local cloud as one process: broker, shadow service, jobs, MIC API and data plane, in one folder."""

import asyncio
import json
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web

from thing_operator_local.cloud.address import CloudAddress, bracketed
from thing_operator_local.cloud.batches import Batches
from thing_operator_local.cloud.broker import PUBLISHES_PER_SECOND, Broker
from thing_operator_local.cloud.control import ControlDoor
from thing_operator_local.cloud.dataplane import DataPlane
from thing_operator_local.cloud.job_service import JobService
from thing_operator_local.cloud.jobs import Jobs
from thing_operator_local.cloud.jobs_door import JobsDoor
from thing_operator_local.cloud.keys import CloudKeys
from thing_operator_local.cloud.layout import CloudLayout, write_json
from thing_operator_local.cloud.mic_api import MicApi
from thing_operator_local.cloud.mic_auth import MicAccount
from thing_operator_local.cloud.mic_searches import MicSearches
from thing_operator_local.cloud.mic_thing_types import MicThingTypes
from thing_operator_local.cloud.mic_things import MicThings
from thing_operator_local.cloud.observations import Observations
from thing_operator_local.cloud.refusals import REFUSALS, note_refusals
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.running import announced
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.cloud.service_link import Message, ServiceLink
from thing_operator_local.cloud.shadow_service import ShadowOptions, ShadowService
from thing_operator_local.cloud.shadows import IN_FLIGHT, Shadows
from thing_operator_local.cloud.store import Store
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK, check_port
from thing_operator_local.toolchain.cache import file_lock

_WATCH_INTERVAL: Final = 0.5
_USER: Final = "local"


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """How a cloud runs. A port of None is the one of the last run when it is free, else a free one."""

    folder: Path
    mqtt_port: int | None = None
    http_port: int | None = None
    data_plane_port: int | None = None
    address: CloudAddress = field(default_factory=CloudAddress)
    token_seconds: float = 900.0
    """How long a login of the MIC API is good for."""
    url_seconds: float = 900.0
    """How long a batch's download address is good for."""
    seed: int | None = None
    """Of secrets, ids and tokens in a new folder; None for real randomness."""
    shadow: ShadowOptions = field(default_factory=ShadowOptions)
    in_flight: int | None = IN_FLIGHT
    """Unanswered requests of one thing beyond which 429 is the answer; None for no limit."""
    publishes_per_second: int | None = PUBLISHES_PER_SECOND
    """Of one connection, in and out together; what is beyond is discarded. None for no limit."""

    def without_rates(self) -> Self:
        """The same without AWS's rates, for load tests."""
        shadow = replace(self.shadow, requests_per_second=None)
        return replace(self, shadow=shadow, in_flight=None, publishes_per_second=None)


def run_cloud(
    options: CloudOptions, *, locate_broker: Callable[[], Path], on_ready: Callable[[dict[str, Any]], None]
) -> None:
    """Run until SIGTERM or Ctrl-C; ``on_ready`` gets what is in cloud.json.

    ``locate_broker`` may build it, so it is asked once the folder is known to be good. Raises LocalError when the
    folder cannot be made, a port is taken, a cloud already runs in the folder, or the broker ends by itself.
    """
    layout = CloudLayout(options.folder.absolute())
    layout.make()

    def taken() -> None:
        raise LocalError(
            f"a local cloud already runs in {layout.root}: stop it or choose another folder with --dir",
        )

    with file_lock(layout.lock, taken=taken), announced(layout.root):
        try:
            asyncio.run(_serve(options, layout, locate_broker(), on_ready))
        finally:
            layout.info.unlink(missing_ok=True)


async def _serve(
    options: CloudOptions, layout: CloudLayout, broker: Path, on_ready: Callable[[dict[str, Any]], None]
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        cloud = _Cloud(options, layout, stack)
        info = await cloud.start(broker)
        write_json(layout.info, info)
        on_ready(info)
        while not stop.is_set():
            cloud.check_running()
            cloud.note_refusals()
            await cloud.checkpoint()
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_INTERVAL):
                    await stop.wait()


class _Cloud:
    """The parts and how they hang together; ``stack`` ends them in reverse order."""

    def __init__(self, options: CloudOptions, layout: CloudLayout, stack: AsyncExitStack) -> None:
        self._options = options
        self._layout = layout
        self._stack = stack
        self._last_ports = _last_ports(layout.ports)
        self._pki = CloudKeys(layout, names=options.address.names)
        self._store = Store(layout.database)
        stack.callback(self._store.close)
        self._random = SeededRandom.kept(self._store, options.seed)
        self._registry = Registry(self._store, self._pki.things, clock_ms=_now_ms)
        self._link = ServiceLink(self._pki.service_context())
        self._observations = Observations(layout.observations)
        stack.callback(self._observations.close)
        self._shadows = self._new_shadows()
        self._jobs = Jobs(
            JobService(time.time), store=self._store, registry=self._registry, publish=self._link.publish
        )
        self._broker_up = asyncio.Lock()
        """Held by who starts the broker or talks to it: a certificate that is made meanwhile waits."""

    def check_running(self) -> None:
        """Raise LocalError when a part has ended by itself."""
        self._broker.check_running()
        self._link.check_connected()

    def note_refusals(self) -> None:
        """Hand on whom the broker turned away since the last call."""
        for line in self._broker.new_refusals():
            REFUSALS.info("%s", line)

    async def checkpoint(self) -> None:
        """Have what was written reach the disk, so that no request has to wait for that."""
        await asyncio.to_thread(self._store.checkpoint)

    async def start(self, program: Path) -> dict[str, Any]:
        """Start all; returns what is to be in cloud.json."""
        mqtt_port = self._port(self._options.mqtt_port, "mqtt", option="--mqtt-port")
        http_port = self._port(self._options.http_port, "http", option="--http-port")
        self._broker = Broker(
            program,
            self._layout,
            self._pki.broker_files,
            publishes_per_second=self._options.publishes_per_second,
            address=self._options.address,
        )
        await self._start_broker(mqtt_port)
        self._stack.callback(self._broker.stop)
        self._stack.callback(self._link.close)
        data_port = await self._start_data_plane()
        account = MicAccount(
            api_key=self._store.meta("apiKey", self._random.text("apiKey", 30)),
            user_name=_USER,
            password=self._store.meta("password", self._random.text("password", 12)),
            token_seconds=self._options.token_seconds,
        )
        http_port = await self._start_mic_api(account, http_port)
        await self._start_control()
        await self._start_jobs()
        ports = {"mqtt": self._broker.port, "http": http_port, "dataPlane": data_port}
        write_json(self._layout.ports, ports)
        host = self._options.address.host
        return {
            "mqtt": {"host": host, "port": self._broker.port},
            "ca": str(self._layout.ca),
            "api": f"https://{bracketed(host)}:{http_port}",
            "dataPlane": f"https://{bracketed(host)}:{data_port}",
            "hostnames": list(self._options.address.names),
            "apiKey": account.api_key,
            "userName": account.user_name,
            "password": account.password,
        }

    def _new_shadows(self) -> Shadows:
        options = self._options
        return Shadows(
            ShadowService(time.time, options.shadow),
            store=self._store,
            registry=self._registry,
            observations=self._observations,
            publish=self._link.publish,
            clock_ms=_now_ms,
            in_flight=options.in_flight,
        )

    async def _start_broker(self, port: int) -> None:
        identities = self._registry.identities()
        await asyncio.to_thread(self._broker.start, port=port, identities=identities)
        self._registry.announce = self._announce
        await self._link.connect(self._options.address.host, self._broker.port, self._handle_messages)

    def _handle_messages(self, messages: list[Message]) -> None:
        if others := self._jobs.handle_messages(messages):
            self._shadows.handle_messages(others)

    def _forget(self, thing: str) -> None:
        """It is deleted."""
        self._shadows.forget(thing)
        self._jobs.forget(thing)

    async def _start_jobs(self) -> None:
        task = asyncio.create_task(self._jobs.run(), name="time-outs of jobs")
        self._stack.callback(task.cancel)

    async def _restart_broker(self) -> None:
        async with self._broker_up:
            self._link.close()
            await asyncio.to_thread(self._broker.stop)
            await self._start_broker(self._broker.port)

    async def _announce(self) -> None:
        async with self._broker_up:
            await self._broker.reload(self._registry.identities())

    async def _start_data_plane(self) -> int:
        plane = DataPlane(
            self._shadows,
            self._jobs,
            self._registry,
            publish=self._broker.publish,
            service_fingerprint=self._pki.service.fingerprint,
            random=self._random,
            clock=time.time,
        )
        port = self._port(self._options.data_plane_port, "dataPlane", option="--data-plane-port")
        return await self._listen(plane.application(), port, self._pki.server_context(clients=True))

    async def _start_mic_api(self, account: MicAccount, port: int) -> int:
        batches = Batches(
            self._store,
            self._registry,
            self._layout.root / "batches",
            url_seconds=self._options.url_seconds,
            random=self._random,
            clock_ms=_now_ms,
        )
        self._stack.push_async_callback(batches.stop)
        parts = (
            MicSearches(self._registry, self._shadows, self._observations),
            MicThings(self._registry, self._shadows, user=account.user_name, forget=self._forget),
            MicThingTypes(self._store, self._registry),
        )
        api = MicApi(
            account,
            batches,
            parts,
            random=self._random,
            clock_ms=_now_ms,
            hostnames=self._options.address.further,
        )
        api.port = await self._listen(api.application(), port, self._pki.server_context(clients=False))
        batches.resume()
        return api.port

    async def _start_control(self) -> None:
        door = ControlDoor(self._shadows, self._broker, self._restart_broker, parts=(JobsDoor(self._jobs),))
        port = await self._listen(door.application(), 0, None, address=LOOPBACK)
        write_json(self._layout.control, {"port": port, "token": door.token})
        self._stack.callback(self._layout.control.unlink, missing_ok=True)

    async def _listen(
        self, app: web.Application, port: int, context: ssl.SSLContext | None, *, address: str | None = None
    ) -> int:
        app.middlewares.insert(0, note_refusals)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(
                runner, address or self._options.address.listen, port, ssl_context=context
            ).start()
        except OSError as error:  # somebody was faster since the port was found free
            raise LocalError(f"port {port} cannot be used ({error.strerror}): try again") from None
        bound: int = runner.addresses[0][1]
        return bound

    def _port(self, asked: int | None, name: str, *, option: str) -> int:
        listen = self._options.address.listen
        if asked:
            check_port(asked, purpose=f"the local cloud ({name})", option=option, address=listen)
            return asked
        try:
            check_port(last := self._last_ports.get(name, 0), purpose=name, option=option, address=listen)
        except LocalError:
            return 0
        return last


def _last_ports(file: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return ports


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
