"""What the process gives to the reconciling of Things."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.credentials import CaBundle
from thing_operator.informing.cache import ObjectCache
from thing_operator.intents.intent_log import IntentLog
from thing_operator.kube.ports import ApiClient, Enqueue, EnqueueAfter, RecordEvent
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.observability.observers import ThingObserver
from thing_operator.session import Hub
from thing_operator.sharding.duties import Duties
from thing_operator.things.families import Families
from thing_operator.things.jobs import JobsManager
from thing_operator.things.memory import ThingMemory
from thing_operator.things.registry import ThingRegistry


@dataclass(frozen=True, slots=True)
class ThingServices:
    """One of each a process. ``default_ca``: for Things that name no CA; None for the shipped roots."""

    client: ApiClient
    hub: Hub
    cache: ObjectCache
    writer: StatusWriter
    intents: IntentLog
    settings: Settings
    default_ca: CaBundle | None
    enqueue: Enqueue
    enqueue_after: EnqueueAfter
    record_event: RecordEvent
    observer: ThingObserver
    spec_is_current: Callable[[str], bool]
    """Whether what is known of the specs in a namespace can be vouched for: it was not out of sight for long."""
    secrets_seen: Callable[[str], str | None]
    """The newest resource version that the watch of Secrets has shown of a namespace; None before it has begun."""
    duties: Duties
    clock: Clock
    rng: random.Random

    def jobs(self, registry: ThingRegistry) -> JobsManager:
        """What gives Things their jobs; one for all of them."""
        return JobsManager(
            listeners=registry.job_listeners,
            budget=self.hub.budget,
            enqueue=self.enqueue,
            record_event=self.record_event,
            observer=self.observer,
            clock=self.clock,
            rng=self.rng,
        )

    def memory(self) -> ThingMemory:
        """What Things remember of their own writes; one for all of them."""
        return ThingMemory(writer=self.writer, intents=self.intents, clock=self.clock)

    def families(self, registry: ThingRegistry) -> Families:
        """The parents and children among the Things; one for all of them."""
        return Families(
            registry,
            cache=self.cache,
            client=self.client,
            has_fellows=self.duties.has_fellows,
            enqueue=self.enqueue,
            clock=self.clock,
        )
