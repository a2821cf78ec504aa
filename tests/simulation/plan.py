"""What happens in a simulation: a list of events, made by dice from a seed, from which any may be left out."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from tests.simulation.episodes import LONGEST, draw

from thing_operator.core.resource import ObjectKey
from thing_operator.intents.log_text import LOG_LIMIT

NAMESPACES = ("north", "south")
PATHS = (("k0",), ("k1",), ("g", "k2"), ("g", "k3"), ("h", "i", "k4"))
"""Where specs desire something."""
FOREIGN = ("f0", "f1")
"""Where others desire something, and no spec does."""


@dataclass(frozen=True, slots=True)
class Event:
    """At ``at`` seconds something happens to thing ``thing``; ``dice`` is its own seed, so that what it does in detail
    does not depend on the events before it. ``seconds``: how long it lasts.
    """

    at: float
    kind: str
    thing: int
    dice: int
    seconds: float = 0.0
    replica: int = 0

    @property
    def thing_name(self) -> str:
        """The thing's name in the cloud."""
        return f"t{self.thing}"

    @property
    def thing_key(self) -> ObjectKey:
        """Of its first Thing."""
        return ObjectKey(NAMESPACES[self.thing % len(NAMESPACES)], self.thing_name)

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.0f} s" if self.seconds else ""
        return f"{self.at:8.1f} {self.kind} thing={self.thing} replica={self.replica} dice={self.dice}{lasts}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole simulation. ``seconds`` of events are followed by quiet."""

    seed: int
    things: int
    replicas: int
    all_namespaces: bool
    seconds: float
    events: tuple[Event, ...]
    is_group: bool = False
    """Whether the replicas are one operator and share its shards; else each is an operator of its own."""
    has_log: bool = False
    """Whether there is a log of intents."""
    has_batches: bool = False
    """Whether users order things of MIC by ThingBatches."""
    log_limit: int = LOG_LIMIT
    """Bytes that it has room for."""
    has_children: bool = False
    """Whether some Things are networked children of others."""
    has_jobs: bool = False
    """Whether there are jobs for things."""

    @property
    def longest_pause(self) -> float:
        """Seconds after which everything that waits is tried again: a recheck comes after ten minutes, and a networked
        child at whose topics connections have ended waits for half an hour.
        """
        return 1900.0 if self.has_children else 700.0

    def without(self, left_out: set[int]) -> "Plan":
        """This one without the events at these positions."""
        kept = (event for place, event in enumerate(self.events) if place not in left_out)
        return replace(self, events=tuple(kept))


EDITS = {
    "edit": 30,
    "remove": 8,
    "policy": 5,
    "suspend": 3,
    "delete": 3,
    "create": 8,
    "duplicate": 2,
    "restore": 2,
    "rotate": 3,
    "break secret": 2,
    "delete secret": 2,
    "device": 3,
    "edit all": 6,
    "let go": 2,
}
"""What users do, and how often."""

WORLD = {"report": 30, "acknowledge": 15, "foreign": 8, "drift": 6, "delete shadow": 1, "touch status": 1}
"""What devices and other clients do."""

FAULTS = {
    "crash": 12,
    "restart": 4,
    "stop": 4,
    "cut api": 4,
    "cut broker": 4,
    "api down": 3,
    "api slow": 3,
    "lose requests": 3,
    "lose answers": 4,
    "throttle": 3,
    "413": 1,
    "forbid": 1,
    "lag": 4,
    "break watches": 3,
    "compact": 3,
    "broker down": 3,
    "service slow": 3,
    "service loses requests": 2,
    "service loses answers": 4,
    "duplicate messages": 4,
    "service 429": 2,
    "service 413": 1,
    "drop": 4,
    "reset": 4,
    "half open": 3,
    "intrude": 2,
    "clock": 2,
}
"""What goes wrong, and how often."""

OF_GROUPS = {"lose map": 2, "break map": 1, "delete member": 2}
"""What goes wrong besides where replicas share shards: somebody deletes or spoils what they have in common."""

ORDERS = {"order": 8, "delete batch": 2}
"""What users do besides where they order from MIC."""

OF_MIC = {"mic down": 2, "mic slow": 2, "mic loses requests": 3, "mic loses answers": 4}
"""What goes wrong there."""

FAMILIES = {"create child": 10}
"""What users do besides where some Things are children of others."""

JOBS = {"handle jobs": 4, "job": 10, "cancel job": 3, "delete job": 1}
"""What users do besides where things have jobs."""

OF_LOGS = {"delete logs": 3, "break logs": 1}
"""The same of logs of intents."""


def make_plan(
    seed: int,
    *,
    seconds: float = 600.0,
    things: int | None = None,
    edit_every: float | None = None,
    fault_every: float | None = None,
    has_episodes: bool = True,
) -> Plan:
    """The plan of a seed. ``edit_every`` and ``fault_every`` in seconds, chosen by the dice when None."""
    dice, traits = random.Random(f"plan {seed}"), random.Random(f"traits {seed}")
    is_group, has_log, has_batches = traits.random() < 0.3, traits.random() < 0.5, traits.random() < 0.3
    log_limit = traits.choice((LOG_LIMIT, LOG_LIMIT, 500))
    has_children, has_jobs = traits.random() < 0.3, traits.random() < 0.3
    count = things or (traits.choice((3, 5, 8)) if has_log else dice.choice((1, 2, 3, 5)))
    replicas = traits.choice((2, 2, 3)) if is_group else dice.choice((1, 1, 2))
    edits = edit_every or dice.choice((2.0, 5.0, 15.0, 120.0)) / 2
    faults = fault_every or dice.choice((10.0, 30.0, 60.0, 300.0))
    events = [Event(dice.random(), "create", thing, dice.getrandbits(32)) for thing in range(count)]
    users = EDITS | _some((ORDERS, has_batches), (FAMILIES, has_children), (JOBS, has_jobs))
    for thing in range(count):
        kinds_at_first = ("create child",) * has_children + ("handle jobs",) * has_jobs
        events += [Event(1 + dice.random(), kind, thing, dice.getrandbits(32)) for kind in kinds_at_first]
    for at in _moments(dice, edits, seconds):
        kinds = users if dice.random() < 0.5 else WORLD
        events.append(Event(at, _of(dice, kinds), dice.randrange(count), dice.getrandbits(32)))
    kinds_of_fault = FAULTS | _some((OF_GROUPS, is_group), (OF_LOGS, has_log), (OF_MIC, has_batches))
    for at in _moments(dice, faults, seconds):
        lasts = dice.choice((1.0, 5.0, 20.0, 60.0, 150.0)) * dice.random()
        kind, thing, replica = _of(dice, kinds_of_fault), dice.randrange(count), dice.randrange(replicas)
        events.append(Event(at, kind, thing, dice.getrandbits(32), lasts, replica))
    kinds_of_world = (
        ("orders", has_batches),
        ("jobs", has_jobs),
        ("children", has_children),
        ("log", has_log),
        ("group", is_group),
        ("two", replicas > 1 and not is_group),
    )
    there = [what for what, is_so in kinds_of_world if is_so]
    if has_episodes:
        episodes = random.Random(f"episodes {seed}")
        events += _episodes(episodes, seconds, things=count, replicas=replicas, there=there)
    events.sort(key=lambda event: event.at)
    return Plan(
        seed,
        count,
        replicas,
        dice.random() < 0.5,
        seconds,
        tuple(events),
        is_group=is_group,
        has_log=has_log,
        has_batches=has_batches,
        log_limit=log_limit,
        has_children=has_children,
        has_jobs=has_jobs,
    )


def _episodes(
    dice: random.Random, seconds: float, *, things: int, replicas: int, there: Collection[str]
) -> Iterator[Event]:
    """Six in between, and two at the end, which nothing comes after.

    In a plan with few other events, which a fourth of all are, nothing else disturbs them.
    """
    room = max(0.0, seconds - LONGEST)
    begins = [(dice.uniform(min(20.0, room), room), draw(dice, there)) for _ in range(6)]
    last = [draw(dice, there) for _ in range(2)]
    begins += [(max(0.0, seconds - each.steps[-1].after - 5.0), each) for each in last]
    for at, episode in begins:
        thing, replica = dice.randrange(things), dice.randrange(replicas)
        for step in episode.steps:
            yield Event(at + step.after, step.kind, thing, dice.getrandbits(32), step.seconds, replica)


def _some(*kinds: tuple[dict[str, int], bool]) -> dict[str, int]:
    """Those of which it is said that they are there."""
    return {kind: often for each, is_so in kinds if is_so for kind, often in each.items()}


def _moments(dice: random.Random, every: float, seconds: float) -> Iterator[float]:
    at = 5.0
    while (at := at + dice.expovariate(1 / every)) < seconds:
        yield at


def _of(dice: random.Random, kinds: dict[str, int]) -> str:
    return dice.choices(tuple(kinds), tuple(kinds.values()))[0]
