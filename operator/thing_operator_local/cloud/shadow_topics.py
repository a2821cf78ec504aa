"""The reserved topics of the Device Shadow service, from the service's side.

Source: docs/background/aws-iot-shadow.md#topics.
"""

import string
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CHILD_MARK: Final = "__"
"""Between the names of a parent and its networked child (docs/background/mic.md#networked-things)."""

_NAME_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + ":_-")
_THING_NAME_LIMIT: Final = 128
_SHADOW_NAME_LIMIT: Final = 64


class ShadowOperation(StrEnum):
    """What can be asked of a shadow."""

    UPDATE = "update"
    GET = "get"
    DELETE = "delete"


class ShadowMessage(StrEnum):
    """What the service publishes; ``delta`` and ``documents`` follow updates only."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DELTA = "delta"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class ShadowAddress:
    """One shadow of one thing; ``shadow`` None is the classic one, which has no name."""

    thing: str
    shadow: str | None = None

    def topic(self, operation: ShadowOperation, message: ShadowMessage | None = None) -> str:
        """Where a message of the service is published; without ``message`` where requests arrive."""
        named = [] if self.shadow is None else ["name", self.shadow]
        levels = [] if message is None else [message]
        return "/".join(["$aws", "things", self.thing, "shadow", *named, operation, *levels])


@dataclass(frozen=True, slots=True)
class ReservedTopic:
    """A shadow topic taken apart; ``message`` None is a request."""

    address: ShadowAddress
    operation: ShadowOperation
    message: ShadowMessage | None


def read_topic(topic: str) -> ReservedTopic | None:
    """Take a topic apart; None for one that is not the shadow service's."""
    match topic.split("/"):
        case ["$aws", "things", thing, "shadow", "name", shadow, *action] if is_shadow_name(shadow):
            address = ShadowAddress(thing, shadow)
        case ["$aws", "things", thing, "shadow", *action]:
            address = ShadowAddress(thing)
        case _:
            return None
    found = _ACTIONS.get("/".join(action))
    return ReservedTopic(address, *found) if found and is_thing_name(address.thing) else None


def is_thing_name(name: str) -> bool:
    """Whether AWS IoT lets a thing be called so."""
    return 0 < len(name) <= _THING_NAME_LIMIT and _NAME_CHARACTERS.issuperset(name)


def is_shadow_name(name: str) -> bool:
    """Whether AWS IoT lets a named shadow be called so."""
    return 0 < len(name) <= _SHADOW_NAME_LIMIT and _NAME_CHARACTERS.issuperset(name.replace("$", ""))


_ANSWERS: Final = (None, ShadowMessage.ACCEPTED, ShadowMessage.REJECTED)
_ACTIONS: Final = {
    "/".join(filter(None, (operation, message))): (operation, message)
    for operation in ShadowOperation
    for message in ((None, *ShadowMessage) if operation is ShadowOperation.UPDATE else _ANSWERS)
}
"""The last levels of all topics, and what they mean."""
