"""What is seen of one Thing and of many, as values; ``to_wire`` is the JSON form of the command."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from thing_operator.api.model import ApiModel
from thing_operator.core.json_values import JsonValue

Body = Mapping[str, Any]
"""An object as the API server has it."""


class LinkHealth(StrEnum):
    """How a link of the chain is. Waiting is no failure: a device may sleep."""

    GOOD = "Good"
    WAITING = "Waiting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class ChainLink(ApiModel):
    """One link of Secret, session, shadow, device. ``reason`` is that of its condition."""

    name: str
    health: LinkHealth
    reason: str
    message: str
    since: datetime | None = None


class ValueRow(ApiModel):
    """One desired value beside the reported one. ``reported`` counts only where ``is_reported``.

    ``pending_since``: when the Thing was in sync last, None for what is not pending.
    """

    pointer: str
    desired: JsonValue
    reported: JsonValue = None
    is_reported: bool = False
    pending_since: datetime | None = None


class ThingView(ApiModel):
    """One Thing: its chain in order, and its values by path. ``notes`` say what cannot be seen, and why."""

    namespace: str
    name: str
    thing_name: str
    is_ready: bool
    chain: tuple[ChainLink, ...]
    values: tuple[ValueRow, ...] = ()
    notes: tuple[str, ...] = ()


class ValueState(StrEnum):
    """What is the case with one value of a Thing."""

    SAME = "Same"
    """The shadow desires what the spec says, and the device reports it."""
    PENDING = "Pending"
    """The shadow desires what the spec says, and the device reports something else or nothing."""
    NOT_IN_SHADOW = "NotInShadow"
    """The shadow does not desire what the spec says: it is not sent yet, though the device may report it already, or
    somebody else has changed it.
    """
    FOREIGN = "Foreign"
    """Somebody else desires it, and the device reports something else or nothing."""
    REPORTED = "Reported"
    """The device reports it, and nothing else is desired."""
    UNKNOWN = "Unknown"
    """The status does not tell."""


class DiffRow(ApiModel):
    """One value by its path. ``shadow_desired`` as far as the status tells; what is absent is not there or not known.

    ``since``: when the Thing was in sync last, for what the device has not reported.
    """

    pointer: str
    state: ValueState
    spec: JsonValue = None
    shadow_desired: JsonValue = None
    reported: JsonValue = None
    delta: JsonValue = None
    since: datetime | None = None


class ThingDiff(ApiModel):
    """The values of one Thing: those of the spec in its order, then those of others."""

    namespace: str
    name: str
    thing_name: str
    rows: tuple[DiffRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether spec, shadow and device are known to agree."""
        return all(row.state in {ValueState.SAME, ValueState.REPORTED} for row in self.rows)


class ThingRow(ApiModel):
    """One Thing in a table of many. ``pending``: how many values the device has not reported."""

    namespace: str
    name: str
    thing_name: str
    health: LinkHealth
    ready: str
    reason: str
    message: str
    connected: str
    in_sync: str
    pending: int = 0
    since: datetime
    reported_time: datetime | None = None


class TreeNode(ApiModel):
    """One object, and those that are there by it: the Things of a ThingBatch, the Secret of a Thing."""

    kind: str
    name: str
    health: LinkHealth
    reason: str | None = None
    message: str = ""
    children: tuple["TreeNode", ...] = ()


class ObjectTree(ApiModel):
    """The ThingBatches and Things of a namespace. ``notes`` say what cannot be seen, and why."""

    namespace: str
    roots: tuple[TreeNode, ...] = ()
    notes: tuple[str, ...] = ()


class SeenEvent(ApiModel):
    """An Event that warns of something: when it was seen last, and how often."""

    reason: str
    message: str
    last: datetime | None = None
    count: int = 1


class ThingExplanation(ApiModel):
    """Why a Thing is as it is: the steps from the operator to the device, and what to do about the first that fails.

    ``cause`` is the reason of that step, absent where nothing is wrong; ``page`` is where it is described.
    """

    namespace: str
    name: str
    thing_name: str
    is_ready: bool
    steps: tuple[ChainLink, ...]
    cause: str | None = None
    next_step: str
    page: str | None = None
    events: tuple[SeenEvent, ...] = ()
    notes: tuple[str, ...] = ()


class ThingProblem(ApiModel):
    """Why a Thing is not Ready, and since when."""

    namespace: str
    name: str
    reason: str
    message: str
    since: datetime


class ReasonCount(ApiModel):
    """The Things whose Ready has this status and reason. ``oldest`` is the one that has it for the longest time."""

    ready: str
    reason: str
    count: int
    oldest: ThingProblem


class FleetView(ApiModel):
    """Many Things: how they are, by reason, and what is wrong for the longest time."""

    total: int
    ready: int
    connected: int
    in_sync: int
    reasons: tuple[ReasonCount, ...] = ()
    oldest_problem: ThingProblem | None = None


class MemberHealth(StrEnum):
    """How a replica is: silent when its Lease has not been renewed for as long as it lasts."""

    ALIVE = "Alive"
    LEAVING = "Leaving"
    SILENT = "Silent"


class MemberView(ApiModel):
    """One replica: its shards as ranges, and how many it asks others for or is asked for."""

    name: str
    identity: str
    health: MemberHealth
    renewed: datetime | None = None
    held: int
    shards: str
    asks: int = 0
    gives: int = 0


class GroupView(ApiModel):
    """The replicas of one release. ``held``: shards with a holder that is there; ``orphans``: the others, as ranges."""

    namespace: str
    name: str
    shards: int
    held: int
    orphans: str = ""
    members: tuple[MemberView, ...] = ()
    trouble: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every shard has a holder that renews its Lease."""
        silent = any(each.health is MemberHealth.SILENT and each.held for each in self.members)
        return self.held == self.shards and not silent and not self.trouble
