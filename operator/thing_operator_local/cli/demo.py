"""``thing-operator demo``: the main job for real, on this machine."""

import signal
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console, Group
from rich.live import Live

from thing_operator_local.cli.signals import end_with_signals
from thing_operator_local.demo import FLEET_STEPS, STEPS, DemoStep, DemoWorld, DoneStep, tell_story
from thing_operator_local.demo.screen import step_text, steps_of, things_of
from thing_operator_local.demo.tips import tips
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
    bridge: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65535, help="also the bridge for programs, on this port of localhost"
        ),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="keep state and logs here instead of in a temporary folder")
    ] = None,
) -> None:
    """Run control plane, local cloud and operator here, show what they do, stay until Ctrl-C.

    Examples:
      thing-operator demo
      thing-operator demo --fleet 50
      thing-operator demo --dir ~/demo --bridge 8090
    """
    console = Console()
    end_with_signals()
    with (
        _folder(directory) as name,
        suppress(KeyboardInterrupt),
        DemoWorld.running(
            Path(name), size=fleet or size, reporter=reporter_for(console), bridge_port=bridge or 0
        ) as world,
    ):
        steps = FLEET_STEPS if fleet else STEPS
        if once or not console.is_terminal:
            _tell_in_lines(console, world, steps)
        else:
            _tell_live(console, world, steps, fleet=bool(fleet))
        if not once:
            taken = _say_what_to_try(console, world, fleet=bool(fleet), kept=directory is not None)
            _stay(console, world, fleet=bool(fleet), taken=taken)


def _folder(directory: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    if directory is not None:
        return nullcontext(str(directory.absolute()))
    return tempfile.TemporaryDirectory(prefix="thing-operator-demo-")


def _tell_in_lines(console: Console, world: DemoWorld, steps: tuple[DemoStep, ...]) -> None:
    for done in tell_story(steps, world, lambda: None):
        line = f"ok {done.seconds:5.1f} s  {done.step.title}: {done.step.outcome}\n              $ {done.command}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(world.kubectl("get", "thg,thgb"), markup=False, highlight=False, soft_wrap=True)


def _tell_live(console: Console, world: DemoWorld, steps: tuple[DemoStep, ...], *, fleet: bool) -> None:
    """Steps with the table below while they happen; the steps alone stay."""
    done: list[DoneStep] = []
    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def show() -> None:
            lines = console.height - 2 * len(done) - 2
            table = things_of(world.things_now(), fleet=fleet, width=console.width, lines=lines)
            live.update(Group(steps_of(done), "", table))

        for step in tell_story(steps, world, show):
            done.append(step)
            show()
    for step in done:
        console.print(step_text(step), soft_wrap=True)


def _say_what_to_try(console: Console, world: DemoWorld, *, fleet: bool, kept: bool) -> int:
    """Print the lines to paste and what becomes of the folder; returns how many lines of the screen that takes."""
    end = f"Ctrl-C ends everything; state and logs stay in {world.folder}."
    if not kept:
        end = f'Ctrl-C ends everything and removes {world.folder}, logs and all; make demo ARGS="--dir DIR" keeps it.'
    lines = [
        "",
        "Try it yourself in another terminal:",
        "",
        *(f"  {tip}" for tip in tips(world, fleet=fleet)),
        "",
        end,
        "",
    ]
    # Wrapped by the terminal and not by us, so that what is copied is one line.
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    return sum(1 + max(0, len(line) - 1) // console.width for line in lines)


def _stay(console: Console, world: DemoWorld, *, fleet: bool, taken: int) -> NoReturn:
    """Keep the table up to date, below ``taken`` lines that are to stay in sight."""
    if not console.is_terminal:
        while True:
            signal.pause()
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            lines = console.height - taken - 1
            live.update(things_of(world.things_now(), fleet=fleet, width=console.width, lines=lines))
            time.sleep(1.0)
