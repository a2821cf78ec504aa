"""Events that belong together: each alone is in every plan, and what they show takes them in this order."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple


class EpisodeStep(NamedTuple):
    """``after`` seconds from the beginning of an episode something happens, and lasts."""

    after: float
    kind: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """``often``: in comparison with others. ``of``: what it is about, where that is not in all plans."""

    often: int
    steps: tuple[EpisodeStep, ...]
    of: str = ""


TAKEN_BACK = Episode(3, (EpisodeStep(0, "crash while sending"), EpisodeStep(1, "edit all")))
"""A process ends with an edit on its way, and the edit is taken back before the next one begins."""

EPISODES = (
    TAKEN_BACK,
    # An operator that knows nothing new goes on seeing that others change the shadow.
    Episode(
        2,
        (
            EpisodeStep(0, "cut api", 150),
            EpisodeStep(3, "edit"),
            *(EpisodeStep(at, "drift") for at in (105, 115, 125, 135)),
        ),
    ),
    # The shadow is deleted while the connection is dead, and a generation asks for nothing new.
    Episode(
        2,
        (
            EpisodeStep(0, "half open"),
            EpisodeStep(1, "delete shadow"),
            EpisodeStep(2, "device"),
            EpisodeStep(4, "policy"),
        ),
    ),
    # What was accepted once is accepted, whatever becomes of the process and the connection since.
    Episode(
        2,
        (
            EpisodeStep(0, "once"),
            EpisodeStep(30, "broker down", 25),
            EpisodeStep(32, "drift"),
            EpisodeStep(35, "crash"),
            EpisodeStep(37, "report"),
        ),
    ),
    # Two that would repair the shadow.
    Episode(2, (EpisodeStep(0, "fight", 20),)),
    # Whoever waits for a thing gets it.
    Episode(2, (EpisodeStep(0, "duplicate"), EpisodeStep(25, "delete"))),
    # A status that may or may not be there, while a key goes and comes again.
    Episode(
        2,
        (
            EpisodeStep(0, "lose answers", 40),
            *(EpisodeStep(at, "remove" if at % 2 else "edit") for at in range(1, 13)),
        ),
    ),
    # What the service says arrives in another order.
    Episode(2, (EpisodeStep(0, "service slow", 30), *(EpisodeStep(at, "report") for at in range(1, 8)))),
    # MIC has got an order, and its answer is lost.
    Episode(6, (EpisodeStep(0, "order"), EpisodeStep(0.4, "mic loses answers", 20)), of="orders"),
    # Nobody tells of a job that comes while the connection is down, and it may end before it is done.
    Episode(
        6,
        (
            EpisodeStep(0, "handle jobs"),
            EpisodeStep(3, "reset"),
            EpisodeStep(3.2, "job"),
            *(EpisodeStep(at, "cancel job") for at in (8, 9, 10)),
        ),
        of="jobs",
    ),
    # A list that has not yet what a watch has shown.
    Episode(
        2,
        (
            EpisodeStep(0, "edit all"),
            EpisodeStep(0.3, "lag", 20),
            EpisodeStep(0.4, "compact"),
            EpisodeStep(0.5, "drift"),
        ),
    ),
    # A process that begins sees less than the one before it.
    Episode(
        2,
        (
            EpisodeStep(0, "lag", 60),
            EpisodeStep(2, "edit all"),
            EpisodeStep(4, "crash while sending"),
            EpisodeStep(5, "edit all"),
        ),
    ),
)
LONGEST = 150.0
"""Seconds that one takes at most."""


def draw(dice: random.Random, there: Collection[str]) -> Episode:
    """One of them; ``there``: what is in the plan."""
    found = [each for each in EPISODES if not each.of or each.of in there]
    return dice.choices(found, [each.often for each in found])[0]
