"""What is seen of one Thing and of many, as values; ``to_wire`` is the JSON form of the command."""

from datetime import datetime
from enum import StrEnum

from thing_operator.api.model import ApiModel
from thing_operator.core.json_values import JsonValue


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
