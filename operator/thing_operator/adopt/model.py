"""What is found of a fleet, and what becomes of each thing of it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from thing_operator.credentials import Credentials
from thing_operator.shadow.documents import ShadowDocument

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class FoundThing:
    """One thing as one source knows it.

    ``source`` names that source for messages. ``credentials`` or why they cannot be used (``problem``); neither
    where the source has none. ``secret_name``: the Secret that holds them already. ``elsewhere``: why no session of
    the operator's may run the thing. ``note``: what is odd about it.
    """

    thing_name: str
    source: str
    credentials: Credentials | None = field(default=None, repr=False)
    problem: str | None = None
    secret_name: str | None = None
    elsewhere: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Things that are there: ``<namespace>/<name>`` by the thing they run, and the thing by that."""

    by_thing: Mapping[str, str] = field(default_factory=dict)
    things: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShadowLook:
    """What a look at a thing's shadow brought: the document (version 0 without a shadow), or why there is none."""

    document: ShadowDocument | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """What the Things are to be: where, under which policy, and whether they run at once.

    ``write_secrets``: Secrets are wanted, too, for what has credentials and no Secret.
    """

    namespace: str
    with_desired: bool = False
    suspend: bool = False
    write_secrets: bool = False


class AdoptResult(StrEnum):
    """What became of one thing."""

    WRITTEN = "Written"
    EXISTS = "Exists"
    """A Thing runs it already, and is left alone."""
    SKIPPED = "Skipped"
    """It is not for the operator to run."""
    UNUSABLE = "Unusable"


@dataclass(frozen=True, slots=True)
class Adoption:
    """One thing's outcome: ``thing`` is the Thing to write, ``secret`` its Secret (holds the private key).

    ``needs_attention``: a person has to do something about it, which the message says.
    """

    thing_name: str
    result: AdoptResult
    message: str
    needs_attention: bool = False
    thing: Body | None = None
    secret: Body | None = field(default=None, repr=False)
    version: int | None = None
    """Version of the shadow that was looked at."""
