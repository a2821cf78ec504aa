"""The run of the operator, from the settings to SIGTERM."""

import asyncio
import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from thing_operator.app.announcement import NO_BROKER, found_line, where_lines
from thing_operator.app.bridge import BridgePort
from thing_operator.app.leases import lease_checks, make_leadership
from thing_operator.app.membership import make_membership
from thing_operator.app.operator import Operator
from thing_operator.app.probes import log_check, ready_checks, startup_checks
from thing_operator.app.replica import Replica
from thing_operator.config import Settings
from thing_operator.core import descriptors
from thing_operator.core.clock import BootClock, SystemClock
from thing_operator.kube.client import KubeClient
from thing_operator.kube.contact import Contact
from thing_operator.observability.telemetry import TelemetryServer

log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
"""Zips are read in threads, and whenever the loop has sent or read something, it waits so long until such a thread
pauses. Five milliseconds, as Python has it, become twenty for one update of a shadow.
"""


async def run_operator(
    *,
    settings: Settings,
    kubeconfig: Path | None = None,
    kube_context: str | None = None,
    take_over: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT. Raises what makes a start impossible: no login, no CRDs, no port.

    ``take_over``: from an operator that runs the same namespaces now.
    Raises TaskDiedError when a part of the operator has ended that must not.
    """
    _tune_process()
    clock = SystemClock()
    async with TelemetryServer(settings=settings, clock=clock) as telemetry:
        port = BridgePort(settings.bridge)
        awake = BootClock()
        contact = Contact(patience=settings.spec_max_age, clock=awake)
        client = await KubeClient.connect(
            kubeconfig=kubeconfig, kube_context=kube_context, clock=clock, contact=contact
        )
        try:
            membership = make_membership(client, settings=settings, clock=clock)
            operator = Operator(
                client=client,
                settings=settings,
                metrics=telemetry.metrics,
                leadership=make_leadership(
                    client,
                    settings=settings,
                    membership=membership,
                    contact=contact,
                    clock=awake,
                    take_over=take_over,
                ),
                replica=Replica(membership),
                clock=clock,
                # kopf takes the signals over each time that it begins.
                on_kopf_start=lambda: on_signals(operator.supervisor.ended.set),
            )
            on_signals(operator.supervisor.ended.set)
            _say_where(client, settings)
            _observe(operator, telemetry)
            async with operator:
                _say_what(operator)
                await port.open(operator, client=client, observer=telemetry.metrics, clock=clock)
                await operator.supervisor.ended.wait()
            operator.supervisor.raise_for_dead()
        finally:
            await client.close()


def on_signals(stop: Callable[[], None]) -> None:
    """Stop at SIGTERM and SIGINT from now on, in the main thread: no other gets signals."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)


def _say_where(client: KubeClient, settings: Settings) -> None:
    for line in where_lines(settings, server=client.login.server, origin=client.login.origin):
        log.info("%s", line)
    if settings.endpoint.host is None:
        log.warning(NO_BROKER)


def _say_what(operator: Operator) -> None:
    progress = operator.watches.progress
    if progress.has_begun and progress.resync().ok:  # else the log says what cannot be listed
        controllers = operator.controllers
        log.info(
            "%s", found_line(things=len(controllers.things.cache), batches=len(controllers.batches.cache))
        )


def _observe(operator: Operator, telemetry: TelemetryServer) -> None:
    """Have metrics and probes show this operator from now on."""
    telemetry.take_gauges_from(operator.snapshot)
    watches = operator.watches
    telemetry.health.follow(
        startup=startup_checks(watches.progress),
        ready=ready_checks(
            progress=watches.progress, tasks=operator.supervisor.check, kopf=watches.kopf.check
        )
        | lease_checks(operator.leadership)
        | {"intentLog": log_check(operator.controllers.intents)}
        | operator.replica.checks(),
    )


def _tune_process() -> None:
    tune_garbage_collector()
    sys.setswitchinterval(_SWITCH_SECONDS)
    descriptors.raise_limit()


def tune_garbage_collector() -> None:
    """Look for cycles less often: nearly all of the millions of objects that ten thousand Things are made of live
    long and are in none, and each full look at them stops everything.

    The youngest are looked at soon: kopf leaves 42 objects in cycles for each event, and a look at 20,000 of them, in
    no cache any more, held up all messages for 11 to 18 ms (measured).
    """
    gc.freeze()  # the modules
    gc.set_threshold(2_000, 500, 100)
