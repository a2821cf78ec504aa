"""The console from its start to Ctrl-C: login, server, and the watches behind it."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from thing_operator import __version__
from thing_operator.console.assets import read_assets
from thing_operator.console.feed import Feed
from thing_operator.console.gate import Gate
from thing_operator.console.server import listening_socket, serving
from thing_operator.console.store import Store
from thing_operator.console.streams import Backend
from thing_operator.console.watches import ObjectWatches
from thing_operator.core.clock import SystemClock
from thing_operator.inspection.reading import connected
from thing_operator.kube.client import KubeClient
from thing_operator.reporting.bridge_connection import BridgeAccess


async def run_console(
    *,
    kubeconfig: Path | None,
    kube_context: str | None,
    namespace: str | None,
    port: int,
    bridge: BridgeAccess | None,
    on_open: Callable[[str], None],
) -> None:
    """Serve the page until SIGINT or SIGTERM. ``on_open`` gets its link; ``port`` 0 is any; ``namespace`` None is all;
    ``bridge`` is how to ask the operator's bridge, None where it is not to be asked.

    Raises LoginError, and ToolError without the page's files or the port.
    """
    assets = read_assets()
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    sock = listening_socket(port)
    gate = Gate.make(sock.getsockname()[1])
    async with (
        connected(kubeconfig=kubeconfig, kube_context=kube_context) as client,
        serving(sock, gate, assets, _backend(client, namespace, bridge)),
    ):
        on_open(gate.link)
        await end.wait()


def _backend(client: KubeClient, namespace: str | None, bridge: BridgeAccess | None) -> Backend:
    feed, clock = Feed(), SystemClock()
    store = Store(feed)
    watches = ObjectWatches(client, store, feed, namespace=namespace, clock=clock)
    about = {
        "context": client.login.kube_context or client.login.origin,
        "server": client.login.server,
        "namespace": namespace,
        "version": __version__,
    }
    return Backend(client, store, feed, watches, clock, about, bridge)
