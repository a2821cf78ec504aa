"""What goes wrong in a run on real parts: a list of faults, made by dice from a seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulation.plan import Event

HARD: Mapping[str, int] = {
    # replicas
    "kill": 8,
    "replace": 4,
    "upgrade": 4,
    "pause": 6,
    # their ways out
    "cut api": 5,
    "cut broker": 5,
    "cut both": 3,
    "lose api interface": 2,
    "lose broker interface": 2,
    "stall api": 3,
    "stall broker": 3,
    "delay api": 4,
    "delay broker": 4,
    "delay both": 3,
    "slice api": 2,
    "slice broker": 2,
    "reset api": 4,
    "reset broker": 4,
    "refuse api": 2,
    "refuse broker": 2,
    "other api server": 4,
    # the control plane
    "kill api server": 3,
    "pause api server": 3,
    "pause etcd": 3,
    "kill etcd": 2,
    "fill etcd": 1,
    # the cloud
    "restart cloud": 1,
    "kill cloud": 1,
    "restart broker": 2,
    "pause service": 3,
    "service loses answers": 3,
    "service is late": 3,
    "service doubles": 2,
    "service turns round": 2,
    "service throttles": 2,
    "service fails": 2,
    "kick": 3,
    "refuse connections": 2,
    "slow handshakes": 2,
    # what replicas have in common
    "delete map": 1,
    "break map": 1,
    "delete member": 2,
    "delete logs": 1,
}
"""What goes wrong, and how often."""

GENTLE: Mapping[str, int] = {"reset broker": 1, "reset api": 1, "kick": 4, "delay broker": 1}
"""What goes wrong in a soak: what a day has anyway."""

_LASTS = (2.0, 8.0, 20.0, 45.0)


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """The faults of a run; ``seconds`` of them are followed by quiet."""

    seed: int
    seconds: float
    faults: tuple[Event, ...]


def make_chaos_plan(
    seed: int, *, seconds: float, replicas: int, things: int, every: float, kinds: Mapping[str, int] = HARD
) -> ChaosPlan:
    """The plan of a seed, with a fault every so many seconds on average."""
    dice = random.Random(f"chaos {seed}")
    at, faults = 5.0, list[Event]()
    while (at := at + dice.expovariate(1 / every)) < seconds:
        kind = dice.choices(tuple(kinds), tuple(kinds.values()))[0]
        lasts = min(dice.choice(_LASTS) * dice.random(), seconds - at)
        faults.append(
            Event(at, kind, dice.randrange(things), dice.getrandbits(32), lasts, dice.randrange(replicas))
        )
    return ChaosPlan(seed, seconds, tuple(faults))
