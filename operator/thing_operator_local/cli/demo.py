"""``thing-operator demo``: the main job for real, on this machine."""

import signal
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from thing_operator_local.cli.signals import end_with_signals
from thing_operator_local.demo import FLEET_STEPS, STEPS, DemoStep, DemoWorld, tell_story
from thing_operator_local.demo.screen import draw
from thing_operator_local.toolchain import reporter_for


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="check every step, print it as a line, exit 0 or 1")
    ] = False,
    size: Annotated[int, typer.Option(min=2, max=100, help="number of things")] = 10,
    fleet: Annotated[
        int | None,
        typer.Option(min=2, max=300, help="instead: so many virtual freezers that report, answer and sleep"),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="keep state and logs here instead of in a temporary folder")
    ] = None,
) -> None:
    """Run control plane, local cloud and operator here, show what they do, stay until Ctrl-C."""
    console = Console()
    end_with_signals()
    with (
        _folder(directory) as name,
        suppress(KeyboardInterrupt),
        DemoWorld.running(Path(name), size=fleet or size, reporter=reporter_for(console)) as world,
    ):
        steps = FLEET_STEPS if fleet else STEPS
        if once or not console.is_terminal:
            _tell_in_lines(console, world, steps)
        else:
            _tell_live(console, world, steps, fleet=bool(fleet))
        if not once:
            _say_what_to_try(console, world)
            _stay(console, world, fleet=bool(fleet))


def _folder(directory: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    if directory is not None:
        return nullcontext(str(directory.absolute()))
    return tempfile.TemporaryDirectory(prefix="thing-operator-demo-")


def _tell_in_lines(console: Console, world: DemoWorld, steps: tuple[DemoStep, ...]) -> None:
    for step, seconds in tell_story(steps, world, lambda: None):
        console.print(f"ok {seconds:5.1f} s  {step.title}: {step.outcome}", highlight=False, soft_wrap=True)
    console.print(world.kubectl("get", "thg,thgb"), highlight=False, soft_wrap=True)


def _tell_live(console: Console, world: DemoWorld, steps: tuple[DemoStep, ...], *, fleet: bool) -> None:
    done: list[tuple[DemoStep, float]] = []
    with Live(console=console, refresh_per_second=4) as live:

        def show() -> None:
            live.update(draw(done, world.things_now(), fleet=fleet))

        for step in tell_story(steps, world, show):
            done.append(step)
            show()


def _say_what_to_try(console: Console, world: DemoWorld) -> None:
    first, second = sorted(thing["metadata"]["name"] for thing in world.things_now())[:2]
    console.print(
        f"""
[bold]Try it yourself[/] in another terminal:

  export KUBECONFIG={world.plane.kubeconfig}
  alias kubectl={world.plane.kubectl_path}
  kubectl config set-context --current --namespace=demo
  kubectl get things --watch
  kubectl patch thing {first} --type=merge --patch '{{"spec": {{"desired": {{"setpoint": -22}}}}}}'
  kubectl wait --for=condition=Ready thing/{first}
  kubectl get thing {second} --output=yaml
  kubectl patch thing {second} --type=merge --patch '{{"spec": {{"suspend": true}}}}'
  kubectl delete thing {second}

Logs are in {world.folder}. Ctrl-C ends everything.
""",
        highlight=False,
        soft_wrap=True,
    )


def _stay(console: Console, world: DemoWorld, *, fleet: bool) -> NoReturn:
    if not console.is_terminal:
        while True:
            signal.pause()
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            time.sleep(1.0)
            live.update(draw([], world.things_now(), fleet=fleet))
