"""Events that belong together: each alone is in every plan, and what they show takes them in this order."""

import random
from collections.abc import Collection, Iterable
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
    of: frozenset[str] = frozenset()


def _episode(*steps: EpisodeStep | Iterable[EpisodeStep], often: int = 2, of: str = "") -> Episode:
    flat = [step for each in steps for step in ([each] if isinstance(each, EpisodeStep) else each)]
    return Episode(often, tuple(flat), frozenset(of.split()))


def _each(kind: str, *moments: float) -> list[EpisodeStep]:
    return [EpisodeStep(at, kind) for at in moments]


EPISODES = (
    # A process ends with an edit on its way, and the edit is taken back before the next one begins.
    _episode(EpisodeStep(0, "crash while sending"), EpisodeStep(1, "renew all"), often=6),
    # An operator that knows nothing new goes on seeing that others change the shadow.
    _episode(
        EpisodeStep(0, "cut api", 150),
        _each("edit all", 3, 3.5, 4),
        _each("drift all", 105, 115, 125, 135),
    ),
    # The shadow is deleted while the connection is dead, and a generation asks for nothing new.
    _episode(EpisodeStep(0, "half open"), EpisodeStep(1, "delete shadow"), EpisodeStep(2, "retouch")),
    # What was accepted once is accepted, whatever becomes of the process and the connection since.
    _episode(
        EpisodeStep(0, "once"),
        EpisodeStep(20, "spoil secret"),
        EpisodeStep(22, "drift all"),
        EpisodeStep(25, "crash"),
        EpisodeStep(40, "mend secret"),
    ),
    # Two that would repair the shadow.
    _episode(EpisodeStep(0, "fight", 20)),
    # Whoever waits for a thing gets it.
    _episode(EpisodeStep(0, "duplicate"), EpisodeStep(25, "delete")),
    _episode(EpisodeStep(0, "duplicate"), EpisodeStep(25, "rest")),
    _episode(
        EpisodeStep(0, "duplicate"),
        EpisodeStep(20, "service slow", 25),
        EpisodeStep(21, "reset"),
        EpisodeStep(22, "delete"),
    ),
    # Another controller needs a deleted Thing longer than the operator does.
    _episode(EpisodeStep(0, "hold on"), EpisodeStep(2, "delete"), EpisodeStep(40, "let go")),
    # A status that may or may not be there, while keys go and come.
    _episode(
        EpisodeStep(0, "lose answers", 60),
        *(_each("toggle", at) + _each("renew", at + 3) for at in range(1, 60, 6)),
    ),
    _episode(EpisodeStep(0, "lose requests", 40), _each("renew", *range(1, 13))),
    # The answer to a status is lost, and by the next edit nothing can be written for a while.
    _episode(
        EpisodeStep(0, "renew all"), EpisodeStep(0.06, "answer nothing", 33), EpisodeStep(3, "renew all")
    ),
    # A status that says what was so before, and may be so again.
    _episode(
        EpisodeStep(0, "answer nothing", 10), EpisodeStep(1, "spoil secret"), EpisodeStep(4, "mend secret")
    ),
    # Somebody else changes a status, and nothing happens to that Thing any more.
    _episode(EpisodeStep(0, "touch status"), often=6),
    # No status can be written for a while.
    _episode(EpisodeStep(0, "refuse", 6), EpisodeStep(1, "policy"), EpisodeStep(2, "once")),
    # What the service says arrives in another order.
    _episode(EpisodeStep(0, "service slow", 12), _each("report all", 1, 1.1, 1.2, 1.3), often=4),
    _episode(EpisodeStep(0, "service slow", 12), EpisodeStep(1, "drift all"), EpisodeStep(1.1, "report")),
    # Edits and reports come while the one before is on its way.
    _episode(EpisodeStep(0, "service slow", 12), _each("edit", 0.5, 2, 4), _each("report", 5, 6)),
    # MIC has got an order, and its answer is lost.
    _episode(EpisodeStep(0, "order"), EpisodeStep(0.4, "mic loses answers", 20), often=6, of="orders"),
    # Nobody tells of a job that comes while the connection is down, and it may end before it is done.
    _episode(
        EpisodeStep(0, "handle jobs"),
        EpisodeStep(3, "reset"),
        EpisodeStep(3.2, "job"),
        _each("cancel job", 8, 9, 10),
        often=6,
        of="jobs",
    ),
    # A job is there when the connection is back that had died without a word, and nobody tells of it.
    _episode(
        EpisodeStep(0, "do jobs"), EpisodeStep(5, "half open"), EpisodeStep(6, "job"), often=4, of="jobs"
    ),
    # What is said of a job comes after what was said of it later, since there was no answer.
    _episode(
        EpisodeStep(0, "do jobs"),
        EpisodeStep(3, "job"),
        EpisodeStep(10, "job updates late", 6),
        EpisodeStep(30, "report"),
        often=4,
        of="jobs",
    ),
    # A list that has not yet what a watch has shown.
    _episode(
        EpisodeStep(0, "edit all"),
        EpisodeStep(0.3, "lag", 20),
        EpisodeStep(0.4, "compact"),
        EpisodeStep(0.5, "drift all"),
    ),
    # A process that begins sees less than the one before it.
    _episode(
        EpisodeStep(0, "lag", 60),
        EpisodeStep(2, "renew all"),
        EpisodeStep(4, "crash while sending"),
        EpisodeStep(5, "renew all"),
    ),
    # A parent that comes and goes.
    _episode(_each("rest", 0, 10, 11, 30), often=4, of="children"),
    _episode(
        EpisodeStep(0, "service slow", 15),
        _each("edit all", 1, 2),
        _each("rest", 2.5, 4),
        often=4,
        of="children",
    ),
    # A child waits for the API server while its parent's session ends, and the next one begins.
    _episode(
        EpisodeStep(0, "answer nothing", 2),
        _each("clear or retain", 1),
        _each("rest", 3, 5),
        often=8,
        of="children",
    ),
    # What a replica is about to write while it stands still, until its Things are others'.
    _episode(_each("report all", 0, 0.5), EpisodeStep(1, "stop", 50), often=4, of="group"),
    # It does not see that others have taken its Things, and loses its sessions to them.
    _episode(EpisodeStep(0, "lag much", 40), EpisodeStep(1, "delete member"), often=4, of="group"),
    _episode(EpisodeStep(0, "cut api", 60), EpisodeStep(30, "reset"), often=4, of="group"),
    # It takes over from others what these have written since it looked.
    _episode(
        EpisodeStep(0, "lag much", 60),
        EpisodeStep(2, "restart others"),
        _each("renew all", *range(5, 38, 3)),
        often=4,
        of="group",
    ),
    # Several write the map at the same time.
    _episode(
        EpisodeStep(0, "api slow", 40), _each("lose map", 1, 10), _each("restart", 5), often=4, of="group"
    ),
    _episode(
        EpisodeStep(0, "api slow everywhere", 60), EpisodeStep(2, "restart others"), often=4, of="group"
    ),
    # Its Things go to others, and come back.
    _episode(EpisodeStep(0, "restart"), EpisodeStep(30, "report all"), often=4, of="group"),
    # A replica ends with keys on their way, and others have its Things before it is back.
    _episode(
        EpisodeStep(0, "crash while sending"),
        EpisodeStep(1, "renew all"),
        EpisodeStep(3, "cut api", 80),
        often=6,
        of="group log",
    ),
    # An operator does not see for a while that another one has its Lease.
    _episode(EpisodeStep(0, "cut api", 60), often=4, of="two"),
    _episode(EpisodeStep(0, "stop", 60), EpisodeStep(30, "edit all"), often=4, of="two"),
)
LONGEST = 150.0
"""Seconds that one takes at most."""


def draw(dice: random.Random, there: Collection[str]) -> Episode:
    """One of them; ``there``: what is in the plan."""
    found = [each for each in EPISODES if each.of.issubset(there)]
    return dice.choices(found, [each.often for each in found])[0]
