"""What to try while the demo runs: lines for a second terminal, each of which changes something."""

import sys

from thing_operator_local.cloud.running import running_clouds
from thing_operator_local.demo.story import DESIRED, merge_patch
from thing_operator_local.demo.world import DemoWorld

_COLDER = -24
"""Neither what the Things begin with nor what the story makes of it."""


def tips(world: DemoWorld, *, fleet: bool) -> list[str]:
    """Lines of bash, none longer than 80 columns but for paths. Things that the story has not touched are taken."""
    names = sorted(thing["metadata"]["name"] for thing in world.things_now())
    changed, suspended = (names[index] if len(names) > index else names[0] for index in (2, 3))
    return [
        f"export KUBECONFIG={world.plane.kubeconfig}",
        f"alias kubectl={world.plane.kubectl_path}",
        f"alias thing-operator='{sys.executable} -m thing_operator'",
        "kubectl get things  # in a browser: thing-operator console",
        f"kubectl patch thing {changed} --type=merge \\",
        f"""  --patch='{{"spec": {{"desired": {{"setpoint": {_COLDER}}}}}}}'""",
        *([] if fleet else _answer(world, changed)),
        f"kubectl wait --for=condition=InSync thing/{changed}",
        merge_patch(suspended, {"suspend": True}),
        f"thing-operator thing explain {suspended}",
    ]


def _answer(world: DemoWorld, name: str) -> list[str]:
    """The device's own answer: with ``fleet`` the operator is the device."""
    limits = DESIRED["limits"]
    which = f" --dir={world.cloud.folder}" if len(running_clouds()) > 1 else ""
    return [
        f"thing-operator cloud report{which} {name} setpoint={_COLDER} \\",
        f"  mode={DESIRED['mode']} limits.min={limits['min']} limits.max={limits['max']}  # as the device",
    ]
