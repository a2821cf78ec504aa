"""The topics of the Device Shadow service and MIC's own two.

Source: docs/background/aws-iot-shadow.md#topics and docs/background/mic.md#topics-of-a-thing.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

CHILD_MARK = "__"
"""Between the name of a parent and that of its networked child (docs/background/mic.md#networked-things)."""


def is_thing_name(name: str) -> bool:
    """Whether AWS IoT takes it as the name of a thing."""
    return THING_NAME.fullmatch(name) is not None


def child_thing_name(parent: str, child: str) -> str:
    """The whole name of a networked child: what its topics have."""
    return f"{parent}{CHILD_MARK}{child}"


def parent_thing_names(name: str) -> tuple[str, ...]:
    """Whose networked child a thing of this name may be: a child's own part has no mark in it."""
    marks = (at for at in range(1, len(name) - len(CHILD_MARK)) if name.startswith(CHILD_MARK, at))
    return tuple(name[:at] for at in marks if CHILD_MARK not in name[at + len(CHILD_MARK) :])


class Operation(StrEnum):
    """The three requests of the shadow service, by the level of their topics."""

    UPDATE = "update"
    GET = "get"
    DELETE = "delete"


class Kind(StrEnum):
    """What a message on a shadow topic is, by the last level of the topic."""

    REQUEST = ""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DELTA = "delta"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class ShadowTopics:
    """All topics of one shadow; ``shadow`` None is the classic, unnamed one."""

    thing: str
    shadow: str | None = None

    @property
    def prefix(self) -> str:
        """What all of them begin with, without a slash at the end."""
        classic = f"$aws/things/{self.thing}/shadow"
        return classic if self.shadow is None else f"{classic}/name/{self.shadow}"

    def topic(self, operation: Operation, kind: Kind = Kind.REQUEST) -> str:
        """The topic of one kind of message of one request; REQUEST is where it is asked for."""
        return f"{self.prefix}/{operation}" + (f"/{kind}" if kind else "")

    @property
    def update(self) -> str:
        """Where updates are asked for: clients publish there."""
        return self.topic(Operation.UPDATE)

    @property
    def update_accepted(self) -> str:
        """Answers to accepted updates, by anybody."""
        return self.topic(Operation.UPDATE, Kind.ACCEPTED)

    @property
    def update_rejected(self) -> str:
        """Answers to refused updates, by anybody over MQTT."""
        return self.topic(Operation.UPDATE, Kind.REJECTED)

    @property
    def update_delta(self) -> str:
        """The delta after an accepted update, while there is one."""
        return self.topic(Operation.UPDATE, Kind.DELTA)

    @property
    def update_documents(self) -> str:
        """The whole document before and after an accepted update."""
        return self.topic(Operation.UPDATE, Kind.DOCUMENTS)

    @property
    def get(self) -> str:
        """Where the document is asked for: clients publish there."""
        return self.topic(Operation.GET)

    @property
    def get_accepted(self) -> str:
        """The whole document, in answer to a get."""
        return self.topic(Operation.GET, Kind.ACCEPTED)

    @property
    def get_rejected(self) -> str:
        """Answers to a get that fails: 404 when there is no shadow."""
        return self.topic(Operation.GET, Kind.REJECTED)

    @property
    def delete(self) -> str:
        """Where deletion is asked for: clients publish there."""
        return self.topic(Operation.DELETE)

    @property
    def delete_accepted(self) -> str:
        """Answers to accepted deletions, by anybody."""
        return self.topic(Operation.DELETE, Kind.ACCEPTED)

    @property
    def delete_rejected(self) -> str:
        """Answers to a deletion that fails: 404 when there is no shadow."""
        return self.topic(Operation.DELETE, Kind.REJECTED)


def will_topic(thing: str) -> str:
    """MIC republishes what arrives here to the shadow: the place for a will, which AWS ignores on ``$``."""
    return f"tcxn/things/{thing}/shadow/update"


def backdate_topic(thing: str) -> str:
    """MIC keeps what arrives here as history only: the shadow stays as it is."""
    return f"tcxn/things/{thing}/shadow/backdate"
