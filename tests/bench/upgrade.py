"""``make upgrade``: from an earlier commit to this checkout and back, with its CRDs, and what that costs each session.

An earlier commit that knows of no replicas ends before this one begins, as ``strategy: Recreate`` has it; two later
ones share their Things while one follows the other. Nothing of a spec or a status may be lost, either way, and each has
to know what the other one has set.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.crew import Crew, make_sites
from tests.bench.load import percentile
from tests.bench.product import CHECKOUT, Product
from tests.bench.world import World
from tests.support.bare_api import THINGS
from tests.support.thing_objects import is_ready

from thing_operator.core.errors import UserError
from thing_operator_local.toolchain import Reporter

Json = dict[str, Any]
Announce = Callable[[str], None]

_CLEARED = "Clear"
_SPECS: Sequence[Json] = (
    {"desired": {"setpoint": -18, "mode": "auto", "limits": {"min": -25, "max": -15}}},
    {"desired": {"mode": "auto"}, "desiredPolicy": "Exact", "deletionPolicy": _CLEARED},
    {"desired": {"mode": "auto"}, "desiredPolicy": "Once", "deletionPolicy": "Delete"},
    {"desired": {"mode": "auto"}, "device": {"connectionStatus": True, "reported": {"model": "x"}}},
    {"desired": {"mode": "auto"}, "device": {"acknowledge": "All"}, "deletionPolicy": _CLEARED},
)
"""By turns: everything of a spec that the earliest has, too."""
_CHANGES_ANYWAY = {"lastTransitionTime", "message", "version", "lastConnected", "connectedSince"}
"""Of a status: what a restart is seen by, or what is text."""


class LostError(UserError):
    """An upgrade has lost something; says what of which Things."""


@dataclass
class ProductUpgrade:
    """The life of a fleet under two products; ``shares``: both know of replicas."""

    world: World
    crew: Crew
    announce: Announce
    shares: bool
    figures: Json = field(default_factory=dict)
    _edits: int = 0
    _first_known: set[str] = field(default_factory=set)
    """The fields of a status that the earlier one knows."""

    def live(self, old: Product, new: Product) -> Json:
        """From the old one to the new one and back."""
        self.world.product = old
        self.announce("the earlier one makes all Ready")
        self.crew.start()
        self._until_steady()
        self._edit("earlier")
        self._first_known = {
            _field(path) for body in self._bodies().values() for path, _ in _leaves(body["status"])
        }
        for name, product in (("upgrade", new), ("downgrade", old), ("second_upgrade", new)):
            self.announce(name.replace("_", " "))
            before = self._bodies()
            self._follow_with(product, name)
            known = self._first_known if product is old else None
            self._check_kept(before, self._bodies(), name, known=known)
            self._edit(name)
        self.announce("all are deleted")
        self._delete_all()
        return self.figures

    def _follow_with(self, product: Product, name: str) -> None:
        """The CRDs of a product, and then itself in the place of the one that runs."""
        (old,) = self.crew.replicas
        self.world.plane.kubectl(
            "apply", "--server-side", "--force-conflicts", "--filename", str(product.crds)
        )
        self.world.product = product
        self.crew.begin()
        if self.shares:
            new = self.crew.start()
            self.crew.until(lambda: new.scrape().get(("members",), 0) > 1, "the new one is a member")
            self.crew.end(old, grace=self.crew.grace)
        else:
            self.crew.end(old, grace=60)
            self.crew.start()
        self._until_steady()
        gaps = [gap.seconds for gap in self.crew.gaps()]
        stories = self.crew.stories
        self.figures |= {
            f"{name}_gap_s_p50": percentile(gaps, 0.5),
            f"{name}_gap_s_p99": percentile(gaps, 0.99),
            f"{name}_gap_s_max": max(gaps, default=None),
            f"{name}_moves_per_thing": sum(each.connects.total() for each in stories) / self.crew.size,
            f"{name}_wills": sum(each.wills.total() for each in stories),
        }

    def _until_steady(self) -> None:
        self.crew.until_up()
        self.crew.until(
            lambda: all(map(is_ready, self._bodies().values())), "all are Ready of their specs", pause=1
        )

    # --- what must not be lost

    def _check_kept(
        self, before: dict[str, Json], after: dict[str, Json], name: str, *, known: set[str] | None
    ) -> None:
        """Every field of spec and status that was there is there, and says the same unless it is to change; of a status
        those alone that are ``known``, if that is given: an API server drops what its CRD does not have.
        """
        lost, changed = set[str](), set[str]()
        for thing, body in before.items():
            for part in ("spec", "status"):
                there = dict(_leaves(after[thing][part]))
                for path, value in _leaves(body[part]):
                    if path not in there:
                        if part == "status" and known is not None and _field(path) not in known:
                            continue
                        lost.add(f"{thing} {part}.{path}")
                    elif there[path] != value and path.rpartition(".")[2] not in _CHANGES_ANYWAY:
                        changed.add(f"{thing} {part}.{path}: {value} became {there[path]}")
        self.figures |= {f"{name}_fields_lost": len(lost), f"{name}_fields_changed": len(changed)}
        for words in (*sorted(lost)[:3], *sorted(changed)[:3]):
            self.announce(f"  {words}")
        if lost:
            raise LostError(f"{name}: {len(lost)} fields are lost, such as {', '.join(sorted(lost)[:3])}")

    def _edit(self, name: str) -> None:
        """Another key for everybody, and without the one before: whoever runs has to know that it is to be removed."""
        self._edits += 1
        key, former = f"edit{self._edits}", f"edit{self._edits - 1}"
        items = []
        for body in self._bodies().values():
            desired = {k: v for k, v in body["spec"]["desired"].items() if k != former} | {key: self._edits}
            items.append(_manifest(body) | {"spec": body["spec"] | {"desired": desired}})
        self._apply(items)
        self._until_steady()
        (site,) = self.crew.sites
        kept = [
            thing.name
            for thing in site.things
            if former in (found := _desired(site.cloud.get_shadow(thing))) or key not in found
        ]
        self.figures[f"{name}_orphans"] = len(kept)
        if kept:
            raise LostError(f"after {name} {len(kept)} shadows have {former} or lack {key}: {kept[:3]}")

    def _delete_all(self) -> None:
        (site,) = self.crew.sites
        policies = {
            name: body["spec"].get("deletionPolicy", "Retain") for name, body in self._bodies().items()
        }
        self.world.plane.kubectl("delete", "things", "--all", "--wait=false", f"--namespace={site.namespace}")
        self.crew.until(lambda: not self._bodies(), "all are deleted")
        left = [
            thing.name
            for thing in site.things
            if policies[thing.name] != "Retain" and _desired(site.cloud.get_shadow(thing))
        ]
        if left:
            raise LostError(f"{len(left)} shadows were not cleaned up: {left[:3]}")

    def vary(self) -> None:
        """Things with all kinds of specs."""
        self._apply(
            [
                _manifest(body) | {"spec": body["spec"] | _SPECS[place % len(_SPECS)]}
                for place, body in enumerate(self._bodies().values())
            ]
        )

    def _apply(self, items: Sequence[Json]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})
        self.world.plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)

    def _bodies(self) -> dict[str, Json]:
        (site,) = self.crew.sites
        found = json.loads(self.world.plane.get(THINGS.format(namespace=site.namespace)))["items"]
        return {body["metadata"]["name"]: body for body in found}


def measure_upgrade(
    folder: Path, old: Product, *, things: int, shares: bool, reporter: Reporter, announce: Announce
) -> Json:
    """From ``old`` to this checkout, back, and up again. Raises LostError."""
    with World(folder, reporter=reporter, product=old) as world:
        sites = make_sites(world, world.clouds, things=things, announce=announce)
        crew = Crew(world, sites, size=things, shares=shares)
        upgrade = ProductUpgrade(world, crew, announce, shares)
        try:
            upgrade.vary()
            return {"things": things, **upgrade.live(old, CHECKOUT)}
        finally:
            crew.stop()


def _manifest(body: Json) -> Json:
    meta = {name: body["metadata"][name] for name in ("name", "namespace")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": meta}


def _desired(shadow: Json | None) -> Json:
    found: Json = (shadow or {}).get("state", {}).get("desired", {})
    return found


def _field(path: str) -> str:
    """The field of a status that a path is in: its first two parts."""
    return ".".join(path.split(".")[:2])


def _leaves(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a tree by its path; of a list of conditions by their type, any other list as it is."""
    if isinstance(tree, list) and tree and all(isinstance(each, dict) and "type" in each for each in tree):
        tree = {each["type"]: each for each in tree}
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, tree
