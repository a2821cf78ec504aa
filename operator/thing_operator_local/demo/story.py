"""What the demo shows, step by step; each step is done and then waited for, with a deadline."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from thing_operator_local.demo.world import BATCH, DemoWorld, Json
from thing_operator_local.errors import LocalError

BATCH_SOURCE: Json = {"secrets": [{"name": f"{BATCH}-zip", "key": "batch.zip"}]}
DESIRED: Json = {"setpoint": -18, "mode": "auto", "limits": {"min": -25, "max": -15}}
_SETPOINT = -20
_DEADLINE = 60.0
_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class DemoStep:
    """``title`` says what is done, ``command`` how a user would do it, ``outcome`` what is then the case."""

    title: str
    command: Callable[[DemoWorld], str]
    act: Callable[[DemoWorld], None]
    outcome: str
    check: Callable[[DemoWorld], bool]


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step that came about: the command that would have done it, and after how many seconds it was seen."""

    step: DemoStep
    command: str
    seconds: float


def tell_story(
    steps: Iterable[DemoStep], world: DemoWorld, on_wait: Callable[[], None]
) -> Iterator[DoneStep]:
    """Do the steps, and give each when it came about. ``on_wait`` is called while something is awaited.

    Raises LocalError for a step that does not come about.
    """
    for step in steps:
        started = time.monotonic()
        step.act(world)
        while not step.check(world):
            if time.monotonic() - started > _DEADLINE:
                raise LocalError(
                    f"'{step.title}': not the case after {_DEADLINE:.0f} s: {step.outcome}; "
                    f"see the logs in {world.folder}",
                )
            on_wait()
            time.sleep(_INTERVAL)
        yield DoneStep(step, step.command(world), time.monotonic() - started)


def condition(body: Json, kind: str) -> Json:
    """One condition of an object, empty when it has none of the kind."""
    found: list[Json] = body.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def is_true(body: Json, kind: str) -> bool:
    """Whether a condition is true for the object as it is now."""
    found = condition(body, kind)
    return bool(
        found.get("status") == "True" and found.get("observedGeneration") == body["metadata"]["generation"]
    )


def merge_patch(name: str, spec: Json) -> str:
    """The command that patches a Thing's spec."""
    patch = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"kubectl patch thing {name} --type=merge -p '{patch}'"


def _first(world: DemoWorld) -> str:
    return min(world.things)


def _second(world: DemoWorld) -> str:
    return sorted(world.things)[1]


def _patch_setpoint(world: DemoWorld) -> None:
    operation = {"op": "replace", "path": "/spec/desired/setpoint", "value": _SETPOINT}
    world.patch_spec(_first(world), [operation])


def _report(world: DemoWorld) -> None:
    name = _first(world)
    world.cloud.update_shadow(world.things[name], {"reported": world.thing(name)["spec"]["desired"]})


def _remove_key(world: DemoWorld) -> None:
    world.patch_spec(_first(world), [{"op": "remove", "path": "/spec/desired/limits"}])


def _edit_from_outside(world: DemoWorld) -> None:
    world.cloud.update_shadow(world.things[_second(world)], {"desired": {"mode": "off"}})


def _all_ready(world: DemoWorld) -> bool:
    things = world.things_now()
    return len(things) == world.size and all(is_true(thing, "Ready") for thing in things)


def _converged(world: DemoWorld) -> bool:
    thing = world.thing(_first(world))
    shadow = thing["status"].get("shadow", {})
    return (
        is_true(thing, "InSync")
        and shadow.get("reported", {}).get("setpoint") == _SETPOINT
        and shadow.get("pendingCount") == 0
    )


def _key_is_deleted(world: DemoWorld) -> bool:
    return (
        is_true(world.thing(_first(world)), "Ready")
        and "limits" not in world.shadow(_first(world))["desired"]
    )


STEPS = (
    DemoStep(
        title="a batch of things arrives",
        command=lambda _world: (
            "kubectl create secret generic freezers-zip --from-file=batch.zip; kubectl apply -f batch.yaml"
        ),
        act=lambda world: world.apply_batch(world.make_batch(), {"source": BATCH_SOURCE}),
        outcome="the ThingBatch is Ready, each thing has a Secret",
        check=lambda world: (
            is_true(world.batch(), "Ready") and world.batch()["status"]["imported"] == world.size
        ),
    ),
    DemoStep(
        title="their Things are applied",
        command=lambda _world: "kubectl apply -f things.yaml",
        act=lambda world: world.apply_things(DESIRED),
        outcome="all Things are Ready: the shadow service has accepted their desired state",
        check=_all_ready,
    ),
    DemoStep(
        title="the desired state changes",
        command=lambda world: merge_patch(_first(world), {"desired": {"setpoint": _SETPOINT}}),
        act=_patch_setpoint,
        outcome="the shadow's desired has it",
        check=lambda world: world.shadow(_first(world)).get("desired", {}).get("setpoint") == _SETPOINT,
    ),
    DemoStep(
        title="the device reports",
        command=lambda world: (
            f"thing-operator cloud report {_first(world)} setpoint={_SETPOINT} mode=auto limits.min=-25 limits.max=-15"
        ),
        act=_report,
        outcome="reported is in status, nothing is pending, InSync is true",
        check=_converged,
    ),
    DemoStep(
        title="a key is removed from spec.desired",
        command=lambda world: merge_patch(_first(world), {"desired": {"limits": None}}),
        act=_remove_key,
        outcome="the key is deleted from the shadow",
        check=_key_is_deleted,
    ),
    DemoStep(
        title="somebody edits desired outside of Git",
        command=lambda world: f"thing-operator cloud desire {_second(world)} mode=off",
        act=_edit_from_outside,
        outcome="the edit is repaired",
        check=lambda world: world.shadow(_second(world))["desired"]["mode"] == "auto",
    ),
)
