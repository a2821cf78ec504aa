"""The run of the operator, from the settings to SIGTERM: kopf carries the start, the stop and ThingBatches' watch.

Nothing of kopf's own bookkeeping is used (no annotations, no progress, no finalizers), since ``on.event`` needs
none: kopf keeps them for its stateful handlers alone.
"""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kopf

from thing_operator.api import names
from thing_operator.app.operator import Operator
from thing_operator.app.probes import ready_checks, startup_checks
from thing_operator.app.watch_monitor import WatchMonitor
from thing_operator.config import Settings
from thing_operator.core import descriptors
from thing_operator.core.clock import SystemClock
from thing_operator.kube.client import KubeClient
from thing_operator.observability.telemetry import TelemetryServer


async def run_operator(*, settings: Settings, kubeconfig: Path | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises what makes a start impossible: no login, no right, no CRDs, no port.

    Raises TaskDiedError when a part of the operator has ended that must not.
    """
    _tune_gc()
    descriptors.raise_limit()
    clock = SystemClock()
    async with TelemetryServer(settings=settings, clock=clock) as telemetry:
        client = await KubeClient.connect(kubeconfig=kubeconfig, clock=clock)
        try:
            operator = Operator(client=client, settings=settings, metrics=telemetry.metrics, clock=clock)
            kopf_watches = WatchMonitor(clock=clock)
            _observe(operator, telemetry, kopf_watches, namespaces=settings.namespaces)
            async with operator:
                await kopf.operator(
                    registry=_registry(operator, client, kopf_watches),
                    settings=_kopf_settings(),
                    standalone=True,
                    clusterwide=not settings.namespaces,
                    namespaces=settings.namespaces,
                    stop_flag=operator.supervisor.ended,
                )
            operator.supervisor.raise_for_dead()
        finally:
            await client.close()


def _observe(
    operator: Operator, telemetry: TelemetryServer, kopf_watches: WatchMonitor, *, namespaces: Sequence[str]
) -> None:
    """Have metrics and probes show this operator from now on."""
    telemetry.take_gauges_from(operator.snapshot)
    telemetry.health.follow(
        startup=startup_checks(operator.progress),
        ready=ready_checks(
            progress=operator.progress,
            supervisor=operator.supervisor,
            own_watches={"secretWatch": operator.secret_watch, "thingWatch": operator.thing_watch},
            kopf_watches=kopf_watches,
            namespaces=namespaces,
        ),
    )
    telemetry.heartbeat.listeners.append(kopf_watches.look)


def _tune_gc() -> None:
    """Look for cycles less often: nearly all of the millions of objects that ten thousand Things are made of live
    long and are in none, and each full look at them stops everything.
    """
    gc.freeze()  # the modules
    gc.set_threshold(20_000, 50, 100)


def _registry(operator: Operator, client: KubeClient, kopf_watches: WatchMonitor) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(id="login", registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf_watches.session(await client.login())

    @kopf.on.event(names.GROUP, names.VERSION, names.BATCH_PLURAL, id="batches", registry=registry)
    async def batches(event: Mapping[str, Any], **_: Any) -> None:
        operator.batch_event(event)

    @kopf.on.cleanup(id="stop", registry=registry)
    async def stop(**_: Any) -> None:
        # Here and not after kopf's return: it cancels what still runs then.
        await operator.stop()
        # The stop flag, since kopf takes its own waiter for it for a task that hangs, and gives it five seconds.
        operator.supervisor.ended.set()

    return registry


class _NoDiffBase(kopf.DiffBaseStorage):
    """No memory of what an object was before: ``on.event`` needs none, and kopf would copy every body for it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """What is remembered of an object: nothing."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """What was remembered of an object: nothing, ever."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing for the next time."""


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.posting.enabled = False  # Events are ours: one per transition
    settings.scanning.disabled = True  # watching CRDs and namespaces would need cluster-wide rights
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    return settings
