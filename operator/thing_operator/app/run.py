"""The run of the operator, from the settings to SIGTERM."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from thing_operator.app.operator import Operator
from thing_operator.app.probes import ready_checks, startup_checks
from thing_operator.config import Settings
from thing_operator.core import descriptors
from thing_operator.core.clock import SystemClock
from thing_operator.kube.client import KubeClient
from thing_operator.observability.telemetry import TelemetryServer


async def run_operator(*, settings: Settings, kubeconfig: Path | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises what makes a start impossible: no login, no CRDs, no port.

    Raises TaskDiedError when a part of the operator has ended that must not.
    """
    _tune_gc()
    descriptors.raise_limit()
    clock = SystemClock()
    async with TelemetryServer(settings=settings, clock=clock) as telemetry:
        client = await KubeClient.connect(kubeconfig=kubeconfig, clock=clock)
        try:
            operator = Operator(
                client=client,
                settings=settings,
                metrics=telemetry.metrics,
                clock=clock,
                # kopf takes the signals over each time that it begins.
                on_kopf_start=lambda: on_signals(operator.supervisor.ended.set),
            )
            on_signals(operator.supervisor.ended.set)
            _observe(operator, telemetry)
            async with operator:
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


def _observe(operator: Operator, telemetry: TelemetryServer) -> None:
    """Have metrics and probes show this operator from now on."""
    telemetry.take_gauges_from(operator.snapshot)
    watches = operator.watches
    telemetry.health.follow(
        startup=startup_checks(watches.progress),
        ready=ready_checks(
            progress=watches.progress, tasks=operator.supervisor.check, kopf=watches.kopf.check
        ),
    )


def _tune_gc() -> None:
    """Look for cycles less often: nearly all of the millions of objects that ten thousand Things are made of live
    long and are in none, and each full look at them stops everything.
    """
    gc.freeze()  # the modules
    gc.set_threshold(20_000, 50, 100)
