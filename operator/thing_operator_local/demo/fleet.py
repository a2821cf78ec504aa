"""The story of a fleet that lives by itself: ``make demo ARGS="--fleet 50"``."""

from importlib.resources import files
from typing import Final

import yaml

from thing_operator_local.demo.story import DemoStep, is_true, merge_patch
from thing_operator_local.demo.world import DemoWorld, Json, new_object

_COLDER = -22
_ONLINE = 2
_CHILDREN: Final[dict[str, Json]] = {"door": {"locked": True}, "probe": {"every": 30}}
"""What the networked children are to be, by name."""


def fleet_manifest() -> Json:
    """The ThingBatch of ``deploy/examples/simulated-freezers.yaml``."""
    text = files("thing_operator_local.demo").joinpath("simulated-freezers.yaml").read_text(encoding="utf-8")
    manifest: Json = yaml.safe_load(text)
    return manifest


def reported(thing: Json) -> Json:
    """What a Thing's status has of the shadow's reported."""
    found: Json = thing.get("status", {}).get("shadow", {}).get("reported", {})
    return found


def _first(world: DemoWorld) -> str:
    return str(min(thing["metadata"]["name"] for thing in world.things_now()))


def _second(world: DemoWorld) -> str:
    return sorted(str(thing["metadata"]["name"]) for thing in world.things_now())[1]


def _all_ready(world: DemoWorld) -> bool:
    things = world.things_now()
    return len(things) == world.size and all(is_true(thing, "Ready") for thing in things)


def _all_report(world: DemoWorld) -> bool:
    found = [reported(thing) for thing in world.things_now()]
    return all("temperature" in each and each["tcxn"]["connection_status"] == _ONLINE for each in found)


def _make_colder(world: DemoWorld) -> None:
    operation = {"op": "replace", "path": "/spec/desired/setpoint", "value": _COLDER}
    world.patch_spec(_first(world), [operation])


def _is_colder(world: DemoWorld) -> bool:
    thing = world.thing(_first(world))
    return is_true(thing, "InSync") and reported(thing).get("setpoint") == _COLDER


def _suspend(world: DemoWorld) -> None:
    world.patch_spec(_second(world), [{"op": "add", "path": "/spec/suspend", "value": True}])


def _is_offline(world: DemoWorld) -> bool:
    thing_name = str(world.thing(_second(world))["status"]["thingName"])
    return bool(world.shadow(thing_name)["reported"]["tcxn"]["connection_status"] == 0)


def _add_children(world: DemoWorld) -> None:
    parent, device = {"name": _first(world)}, {"acknowledge": "All"}
    world.apply(
        *(
            new_object("Thing", name, {"parentRef": parent, "desired": desired, "device": device})
            for name, desired in _CHILDREN.items()
        )
    )


def _children_are_in_step(world: DemoWorld) -> bool:
    things = [world.thing(name) for name in _CHILDREN]
    return all(is_true(thing, "Ready") and is_true(thing, "InSync") for thing in things)


FLEET_STEPS = (
    DemoStep(
        title="a batch of freezers arrives, with a template for their Things",
        command=lambda _world: (
            "kubectl create secret generic freezers-zip --from-file=batch.zip; kubectl apply -f simulated-freezers.yaml"
        ),
        act=lambda world: world.apply_batch(world.make_batch(), fleet_manifest()["spec"]),
        outcome="every freezer has a Secret, a Thing and a session: all are Ready",
        check=_all_ready,
    ),
    DemoStep(
        title="they begin to report",
        command=lambda _world: "kubectl get things --watch",
        act=lambda _world: None,
        outcome="every freezer is online in App Board and its temperature is in status",
        check=_all_report,
    ),
    DemoStep(
        title="one is to be colder",
        command=lambda world: merge_patch(_first(world), {"desired": {"setpoint": _COLDER}}),
        act=_make_colder,
        outcome="it has answered after two seconds: reported has the new setpoint, InSync is true",
        check=_is_colder,
    ),
    DemoStep(
        title="another one is suspended",
        command=lambda world: merge_patch(_second(world), {"suspend": True}),
        act=_suspend,
        outcome="it has reported that it is offline, and App Board shows it so",
        check=_is_offline,
    ),
    DemoStep(
        title="the first one gets two networked children, on its connection",
        command=lambda world: f"kubectl apply -f networked-children.yaml  # with parentRef: {_first(world)}",
        act=_add_children,
        outcome="door and probe are Ready without a certificate of their own, and in step",
        check=_children_are_in_step,
    ),
)
