"""What the users of a simulation know of their Things: every spec that was ever theirs, by generation.

Each value that a spec desires is text of its own, ``north/t1.2#34``: whose it is (the second object of that name),
and which edit it was. So whatever is found in a shadow says where it is from, and how old it is.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from thing_operator.core.resource import ObjectKey

Path = tuple[str, ...]
_VALUE = re.compile(r"(?P<life>[a-z]+/[a-z0-9-]+\.[0-9]+)#(?P<edit>[0-9]+)")


@dataclass
class Life:
    """One Thing object, from its creation to its deletion; one of the same name later is another life."""

    key: ObjectKey
    number: int
    thing: str
    """The thing's name, by which its shadow goes."""
    parent: ObjectKey | None = None
    """Of a networked child."""
    began_at: float = 0.0
    uid: str = ""
    specs: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By generation; :meth:`note` adds one."""
    generation: int = 0
    """The newest."""
    policies: set[str] = field(default_factory=set)
    """All that were ever asked of it."""
    unaccepted: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The specs of those generations whose desired state the shadow has not had since they were there."""
    had: dict[int, dict[Path, Any]] = field(default_factory=dict)
    """By generation under Once, what the shadow has had of it, at whichever moments: others may change it since."""
    desired: dict[int, "DesiredLeaves"] = field(default_factory=dict)
    """By generation, what its spec desires."""
    deleting: bool = False
    ended_at: float | None = None
    was_left: bool = False
    """It was released although its shadow had not been cleaned up, and an Event says so."""
    left_behind: tuple[Path, ...] = ()
    """The keys of its own that were in the shadow when it ended."""
    forgotten: bool = False
    """Its status, or a log that stood for it, was lost: what it had set before is nobody's."""
    accepted_since: dict[int, float] = field(default_factory=dict)
    """By generation, when a status has first said that it was accepted."""
    noted_at: dict[int, float] = field(default_factory=dict)
    """By generation, when it came."""
    published: dict[Path, int] = field(default_factory=dict)
    """The newest edit that was sent of each path."""

    @property
    def tag(self) -> str:
        """How its values begin."""
        return f"{self.key}.{self.number}"

    def note(self, generation: int, spec: dict[str, Any]) -> None:
        """It has another spec from now on."""
        self.generation = max(self.generation, generation)
        self.specs[generation] = self.unaccepted[generation] = spec
        self.desired[generation] = DesiredLeaves.of(spec)
        self.policies.add(policy_of(spec))

    def replaced_at(self, path: Path, edit: int) -> float:
        """When the spec that had this edit here was followed by one that has not; infinite while it is the newest."""
        value = f"{self.tag}#{edit}"
        last = max(
            (each for each, found in self.desired.items() if found.leaves.get(path) == value), default=0
        )
        return min((at for each, at in self.noted_at.items() if each > last), default=inf)

    def was_accepted(self, generation: int) -> bool:
        """Whether the shadow has had what this generation desires at some moment since it was there."""
        return generation in self.specs and generation not in self.unaccepted

    def accept(self, found: Mapping[Path, Any]) -> None:
        """The shadow's desired section has these leaves: note which generations it satisfies."""
        for generation in list(self.unaccepted):
            wanted, seen = self.desired[generation], found
            if wanted.policy == "Once":
                seen = had = self.had.setdefault(generation, {})
                had |= {path: value for path, value in wanted.leaves.items() if found.get(path) == value}
            if wanted.is_met(seen):
                del self.unaccepted[generation]

    def overlaps(self, other: "Life") -> bool:
        """Whether both were there at any moment."""
        ends = [inf if each.ended_at is None else each.ended_at for each in (self, other)]
        return max(self.began_at, other.began_at) <= min(ends)

    @property
    def was_ever_accepted(self) -> bool:
        """The same of any generation."""
        return len(self.unaccepted) < len(self.specs)

    @property
    def spec(self) -> dict[str, Any]:
        """The newest."""
        return self.specs[self.generation]

    @property
    def is_cleared(self) -> bool:
        """Whether it is being deleted, and its keys are to be removed."""
        return self.deleting and self.spec.get("deletionPolicy") == "Clear"

    def may_lack(self, path: Path) -> bool:
        """Whether a spec that was ever its own, and that anything is sent of, desires nothing at this path."""
        return self.is_cleared or any(
            policy_of(spec) != "Observe"
            and not any(_meets(path, wanted) for wanted, _ in leaves(spec.get("desired", {})))
            for spec in reversed(self.specs.values())
        )


def policy_of(spec: Mapping[str, Any]) -> str:
    """The desiredPolicy of a spec."""
    return str(spec.get("desiredPolicy", "Merge"))


def edit_of(value: object) -> tuple[str, int] | None:
    """Whose value this is, and of which edit; None for what is of no spec."""
    found = _VALUE.fullmatch(value) if isinstance(value, str) else None
    return (found["life"], int(found["edit"])) if found else None


def leaves(tree: object, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a tree that is no object with content."""
    if isinstance(tree, dict) and (tree or not path):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def _meets(path: Path, other: Path) -> bool:
    """Whether one is the other, or above it."""
    length = min(len(path), len(other))
    return path[:length] == other[:length]


@dataclass(frozen=True, slots=True)
class DesiredLeaves:
    """What a spec desires: the leaves, without empty objects, which are no content to a shadow."""

    leaves: Mapping[Path, Any]
    policy: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "DesiredLeaves":
        """Of a spec."""
        found = {path: value for path, value in leaves(spec.get("desired", {})) if value != {}}
        return cls(found, policy_of(spec))

    def is_met(self, found: Mapping[Path, Any]) -> bool:
        """Whether a shadow's desired section with these leaves is as desired."""
        return found == self.leaves if self.policy == "Exact" else self.leaves.items() <= found.items()


def satisfies(desired: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Whether a shadow's desired is what a spec asks for."""
    return DesiredLeaves.of(spec).is_met(dict(leaves(desired)))


def place(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Set a leaf; None removes it, with the objects that this leaves empty."""
    *way, last = path
    found = [tree]
    for key in way:
        found.append(found[-1].setdefault(key, {}))
    if value is not None:
        found[-1][last] = value
        return
    found[-1].pop(last, None)
    for parent, key in zip(reversed(found[:-1]), reversed(way), strict=True):
        if not parent[key]:
            del parent[key]


@dataclass
class Lives:
    """All of them."""

    all: dict[str, Life] = field(default_factory=dict)
    """By tag."""
    by_uid: dict[str, Life] = field(default_factory=dict)
    current: dict[ObjectKey, Life] = field(default_factory=dict)
    _of_things: defaultdict[str, list[Life]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, key: ObjectKey, thing: str, *, parent: ObjectKey | None = None, now: float) -> Life:
        """An object is about to be made."""
        number = 1 + sum(life.key == key for life in self.all.values())
        life = Life(key, number, thing, parent, now)
        self.add(life)
        return life

    def add(self, life: Life) -> None:
        """An object that is there from now on, or is about to be made: then its uid is not known yet."""
        self.all[life.tag] = self.current[life.key] = life
        self._of_things[life.thing].append(life)
        if life.uid:
            self.by_uid[life.uid] = life

    def things(self) -> Sequence[str]:
        """The names of all things that any of them names or has named."""
        return tuple(self._of_things)

    def of_thing(self, thing: str) -> Sequence[Life]:
        """Those that name this thing, ended ones included."""
        return self._of_things[thing]
