"""The local cloud as one process: broker, shadow service, MIC API and data plane, in one folder."""

import asyncio
import json
import secrets
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from thing_operator.errors import ToolError
from thing_operator.local.cloud.batches import Batches
from thing_operator.local.cloud.broker import Broker, BrokerFiles
from thing_operator.local.cloud.certificates import (
    HOST,
    Authority,
    Credentials,
    server_authority,
    thing_authority,
)
from thing_operator.local.cloud.dataplane import DataPlane
from thing_operator.local.cloud.layout import Layout, write_json, write_private
from thing_operator.local.cloud.link import ServiceLink
from thing_operator.local.cloud.mic_api import MicApi
from thing_operator.local.cloud.mic_auth import MicAccount
from thing_operator.local.cloud.observations import Observations
from thing_operator.local.cloud.registry import Registry
from thing_operator.local.cloud.shadows import Shadows
from thing_operator.local.cloud.store import Store
from thing_operator.local.ports import LOOPBACK, check_port
from thing_operator.local.toolchain.cache import file_lock
from thing_operator.shadow.service import Options, ShadowService

_WATCH_INTERVAL: Final = 0.5
_USER: Final = "local"


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """How a cloud runs. A port of None is the one of the last run when it is free, else a free one."""

    folder: Path
    mqtt_port: int | None = None
    http_port: int | None = None
    token_seconds: float = 900.0
    """How long a login of the MIC API is good for."""
    url_seconds: float = 900.0
    """How long a batch's download address is good for."""
    shadow: Options = field(default_factory=Options)


def run_cloud(options: CloudOptions, *, broker: Path, on_ready: Callable[[dict[str, Any]], None]) -> None:
    """Run until SIGTERM or Ctrl-C; ``on_ready`` gets what is in cloud.json.

    Raises ToolError when a port is taken, a cloud already runs in the folder, or the broker ends by itself.
    """
    layout = Layout(options.folder.absolute())
    layout.make()

    def taken() -> None:
        raise ToolError(
            f"a local cloud already runs in {layout.root}: stop it or choose another folder with --dir",
            reason="FolderInUse",
        )

    with file_lock(layout.lock, taken=taken):
        try:
            asyncio.run(_serve(options, layout, broker, on_ready))
        finally:
            layout.info.unlink(missing_ok=True)


async def _serve(
    options: CloudOptions, layout: Layout, broker: Path, on_ready: Callable[[dict[str, Any]], None]
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
            cloud.broker.check_running()
            try:
                await asyncio.wait_for(stop.wait(), _WATCH_INTERVAL)
            except TimeoutError:
                continue


class _Cloud:
    """The parts and how they hang together; ``stack`` ends them in reverse order."""

    def __init__(self, options: CloudOptions, layout: Layout, stack: AsyncExitStack) -> None:
        self._options = options
        self._layout = layout
        self._stack = stack
        self._last_ports = _last_ports(layout.ports)

    async def start(self, program: Path) -> dict[str, Any]:
        layout, options = self._layout, self._options
        mqtt_port = self._port(options.mqtt_port, "mqtt", option="--mqtt-port")
        http_port = self._port(options.http_port, "http", option="--http-port")
        pki = _Pki(layout)
        store = Store(layout.database)
        self._stack.callback(store.close)
        registry = Registry(store, pki.things, clock_ms=_now_ms)
        self.broker = Broker(program, layout, pki.broker_files)
        self._stack.callback(self.broker.stop)
        await asyncio.to_thread(self.broker.start, port=mqtt_port, identities=registry.identities())
        registry.announce = lambda: self.broker.reload(registry.identities())
        shadows = await self._start_shadows(store, registry, pki)

        data_plane = DataPlane(shadows, registry, service_fingerprint=pki.service.fingerprint)
        data_port = await self._listen(
            data_plane.application(),
            self._port(None, "dataPlane", option=""),
            pki.server_context(clients=True),
        )
        account = MicAccount(
            api_key=store.meta("apiKey", secrets.token_urlsafe(30)),
            user_name=_USER,
            password=store.meta("password", secrets.token_urlsafe(12)),
            token_seconds=options.token_seconds,
        )
        batches = Batches(
            store,
            registry,
            layout.root / "batches",
            url_seconds=options.url_seconds,
            clock_ms=_now_ms,
        )
        self._stack.push_async_callback(batches.stop)
        api = MicApi(account, registry, batches, clock_ms=_now_ms)
        http_port = await self._listen(api.application(), http_port, pki.server_context(clients=False))
        api.port = http_port
        batches.resume()
        write_json(layout.ports, {"mqtt": self.broker.port, "http": http_port, "dataPlane": data_port})
        return {
            "mqtt": {"host": HOST, "port": self.broker.port},
            "ca": str(layout.ca),
            "api": f"https://{HOST}:{http_port}",
            "dataPlane": f"https://{HOST}:{data_port}",
            "apiKey": account.api_key,
            "userName": account.user_name,
            "password": account.password,
        }

    async def _start_shadows(self, store: Store, registry: Registry, pki: "_Pki") -> Shadows:
        observations = Observations(self._layout.observations)
        self._stack.callback(observations.close)
        link = ServiceLink(pki.service_context())
        shadows = Shadows(
            ShadowService(time.time, self._options.shadow),
            store=store,
            registry=registry,
            observations=observations,
            publish=link.publish,
            clock_ms=_now_ms,
        )
        self._stack.callback(link.close)
        await link.connect(HOST, self.broker.port, shadows.handle_messages)
        return shadows

    async def _listen(self, app: web.Application, port: int, context: ssl.SSLContext) -> int:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOOPBACK, port, ssl_context=context).start()
        bound: int = runner.addresses[0][1]
        return bound

    def _port(self, asked: int | None, name: str, *, option: str) -> int:
        if asked:
            check_port(asked, purpose=f"the local cloud ({name})", option=option)
            return asked
        try:
            check_port(last := self._last_ports.get(name, 0), purpose=name, option=option)
        except ToolError:
            return 0
        return last


class _Pki:
    """The certificates of one cloud: the authorities are kept, servers get new ones at each start."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        servers = server_authority(layout.pki)
        self.things: Authority = thing_authority(layout.pki)
        self.server = self._write("server", servers.server())
        self.service = self._write("service", self.things.service())

    @property
    def broker_files(self) -> BrokerFiles:
        pki = self._layout.pki
        return BrokerFiles(
            certificate=pki / "server.crt",
            key=pki / "server.key",
            client_ca=pki / "things-ca.crt",
            service=pki / "service.crt",
        )

    def server_context(self, *, clients: bool) -> ssl.SSLContext:
        """``clients``: their certificates are asked for and checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._layout.pki / "server.crt", self._layout.pki / "server.key")
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._layout.pki / "things-ca.crt")
        return context

    def service_context(self) -> ssl.SSLContext:
        """Of the shadow service as a client of the broker."""
        context = ssl.create_default_context(cafile=self._layout.ca)
        context.load_cert_chain(self._layout.pki / "service.crt", self._layout.pki / "service.key")
        return context

    def _write(self, name: str, credentials: Credentials) -> Credentials:
        write_private(self._layout.pki / f"{name}.key", credentials.private_key.encode())
        write_private(self._layout.pki / f"{name}.crt", credentials.certificate.encode())
        return credentials


def _last_ports(file: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return ports


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
