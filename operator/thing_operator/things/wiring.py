"""The stages of a Thing's reconcile, put together."""

from collections.abc import Callable
from dataclasses import dataclass

from thing_operator.connections.sessions import SessionManager
from thing_operator.connections.shared_claims import SharedClaims
from thing_operator.core.resource import ObjectKey
from thing_operator.things.connect import Connect
from thing_operator.things.deletion import ThingDeletion
from thing_operator.things.devices import DeviceManager
from thing_operator.things.finalizer import ShadowFinalizer
from thing_operator.things.observe import Observe
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.reconciler import Stages, ThingReconciler
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.runtime import Runtimes
from thing_operator.things.services import ThingServices
from thing_operator.things.sync import Sync


@dataclass(frozen=True, slots=True)
class Things:
    """What the process needs of the kind Thing."""

    registry: ThingRegistry
    reconciler: ThingReconciler
    sessions: SessionManager


def wire_things(services: ThingServices) -> Things:
    """Put together what reconciles Things. Starts nothing."""
    settings, clock = services.settings, services.clock
    runtimes = Runtimes(clock=clock, rng=services.rng)
    registry = _registry(services, runtimes)
    publisher = StatusPublisher(
        writer=services.writer,
        memory=services.memory(),
        counts=registry.counts,
        record_event=services.record_event,
        min_interval=settings.status.min_interval,
    )

    def on_session_change(key: ObjectKey) -> None:
        reconciler.on_session_change(key)

    finalizer, sessions = _finalizer(services), _sessions(services, registry, on_session_change)
    claims = _shared_claims(services, registry)
    connect = Connect(claims=claims, sessions=sessions, finalizer=finalizer, publisher=publisher, clock=clock)
    observe = Observe(
        publisher=publisher,
        claims=registry.claims,
        disconnect_grace=settings.session.disconnect_grace,
        document_limit=settings.shadow.document_limit,
        clock=clock,
    )
    stages = Stages(
        connect=connect,
        sync=_sync(services, registry=registry, observe=observe, publisher=publisher),
        observe=observe,
        publisher=publisher,
        deletion=ThingDeletion(
            registry=registry,
            connect=connect,
            sessions=sessions,
            finalizer=finalizer,
            publisher=publisher,
            clock=clock,
        ),
    )
    reconciler = ThingReconciler(
        stages,
        registry=registry,
        families=services.families(registry),
        duties=services.duties,
        enqueue_after=services.enqueue_after,
        recheck_in=runtimes.gates.recheck_in,
        clock=clock,
    )
    return Things(registry, reconciler, sessions)


def _registry(services: ThingServices, runtimes: Runtimes) -> ThingRegistry:
    return ThingRegistry(
        cache=services.cache,
        settings=services.settings.endpoint,
        enqueue=services.enqueue,
        new_runtime=runtimes.new,
        shard=services.duties.shard,
        observer=services.observer,
        clock=services.clock,
    )


def _shared_claims(services: ThingServices, registry: ThingRegistry) -> SharedClaims:
    return SharedClaims.over_replicas(
        registry.claims,
        client=services.client,
        settings=services.settings,
        duties=services.duties,
        enqueue_after=services.enqueue_after,
        clock=services.clock,
    )


def _finalizer(services: ThingServices) -> ShadowFinalizer:
    return ShadowFinalizer(
        client=services.client,
        timeout=services.settings.deletion_timeout,
        clock=services.clock,
        record_event=services.record_event,
    )


def _sessions(
    services: ThingServices, registry: ThingRegistry, on_session_change: Callable[[ObjectKey], None]
) -> SessionManager:
    return SessionManager(
        client=services.client,
        hub=services.hub,
        cache=services.cache,
        default_ca=services.default_ca,
        secrets_seen=services.secrets_seen,
        may_connect=services.duties.may_connect,
        without_secret=services.settings.session.without_secret,
        on_session_change=on_session_change,
        session_of=registry.session_of,
        clock=services.clock,
    )


def _sync(
    services: ThingServices, *, registry: ThingRegistry, observe: Observe, publisher: StatusPublisher
) -> Sync:
    return Sync(
        devices=DeviceManager(
            settings=services.settings.device,
            jobs=services.jobs(registry),
            enqueue=services.enqueue,
            record_event=services.record_event,
            observer=services.observer,
            clock=services.clock,
        ),
        observe=observe,
        publisher=publisher,
        document_limit=services.settings.shadow.document_limit,
        record_event=services.record_event,
        observer=services.observer,
        spec_is_current=services.spec_is_current,
        clock=services.clock,
    )
