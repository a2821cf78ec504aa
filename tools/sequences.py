"""What replicas do one after the other, as sequence diagrams: a planned move, and a failover."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.drawing import Drawing

_LEFT, _TOP, _ROW = 190.0, 96.0, 46.0
_BETWEEN = 270.0
_FROM = ("Replica A", "holds shard 12", "ours")
_TO = (("Replica B", "", "ours"), ("Broker", "", "cloud"))


@dataclass(frozen=True, slots=True)
class Message:
    """From one actor to another, by their places; to itself it is a note about what it does."""

    sender: int
    receiver: int
    text: str


def move() -> Drawing:
    """One shard from a replica that is there to another one."""
    return _sequence(
        "A planned move: one shard goes from replica A to replica B",
        [_FROM, ("Shard map", "a Lease", "plain"), *_TO],
        [
            Message(2, 2, "lists the Things of shard 12, reads their Secrets"),
            Message(2, 1, "asks for shard 12"),
            Message(1, 0, "seen by its watch"),
            Message(0, 3, "DISCONNECT of each session: no last will is sent"),
            Message(0, 0, "writes the statuses that wait, forgets the Things"),
            Message(0, 1, "gives shard 12 to B"),
            Message(1, 2, "seen by its watch"),
            Message(2, 3, "CONNECT, SUBSCRIBE, get: served again"),
        ],
        gap=(3, 7, "the gap of|a session"),
    )


def failover() -> Drawing:
    """A replica that is silent is fenced before anybody takes what it had."""
    return _sequence(
        "A failover: replica A is silent, and B takes over",
        [_FROM, ("A's Lease", "", "plain"), *_TO],
        [
            Message(0, 1, "the last renewal"),
            Message(2, 2, "sees no renewal for 10 s by its own clock"),
            Message(2, 1, "reads it once more, and takes its holder away"),
            Message(2, 2, "writes itself into the shard map for shard 12"),
            Message(2, 3, "CONNECT: the broker ends A's connection"),
            Message(0, 1, "A wakes up: its renewal is refused"),
            Message(0, 0, "ends its sessions, joins as a new member"),
        ],
        gap=(0, 4, "the gap, where|A's node is lost"),
    )


def _sequence(
    title: str,
    actors: Sequence[tuple[str, str, str]],
    messages: Sequence[Message],
    *,
    gap: tuple[int, int, str],
) -> Drawing:
    """Actors from left to right, messages from top to bottom; ``gap``: between two of them, with its label."""
    bottom = _TOP + _ROW * len(messages) + 20
    draw = Drawing(_LEFT + _BETWEEN * (len(actors) - 1) + 150, bottom + 10, title)
    lines = [_LEFT + _BETWEEN * place for place in range(len(actors))]
    for x, (name, about, kind) in zip(lines, actors, strict=True):
        draw.line((x, 62), (x, bottom))
        draw.box((x - 85, 14), (170, 48), name, [about] if about else [], kind=kind)
    for number, message in enumerate(messages):
        y = _TOP + _ROW * number
        start, end = lines[message.sender], lines[message.receiver]
        if start == end:
            draw.box((start - 175, y - 14), (350, 28), "", [message.text], kind="wait")
        else:
            draw.arrow((start, y), (end, y), label=message.text)
    first, last, label = gap
    x, top, low = lines[-1] + 40, _TOP + _ROW * first, _TOP + _ROW * last
    draw.arrow((x, top), (x, low), both=True)
    for number, line in enumerate(label.split("|")):
        draw.text((x + 10, (top + low) / 2 + 15 * number), line, size=12, anchor="start")
    return draw
