"""Record the demo as docs/pictures/demo.svg: a real run of it, drawn as the terminal shows it at the end."""

import io
import re
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI

from thing_operator_local.demo import STEPS, DemoWorld, tell_story
from thing_operator_local.demo.screen import steps_of, things_of
from thing_operator_local.toolchain import reporter_for

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "demo.svg"
_SIZE: Final = 5
_WIDTH: Final = 118


def main() -> None:
    """Run control plane, local cloud and operator, tell the story, and write what it came to."""
    progress = Console()
    recorded = Console(record=True, width=_WIDTH, force_terminal=True, file=io.StringIO())
    with (
        tempfile.TemporaryDirectory(prefix="thing-operator-demo-") as folder,
        DemoWorld.running(Path(folder), size=_SIZE, reporter=reporter_for(progress)) as world,
    ):
        done = list(tell_story(STEPS, world, lambda: None))
        recorded.print(f'[green]$[/] make demo ARGS="--size {_SIZE}"', highlight=False)
        recorded.print(steps_of(done))
        recorded.print("")
        recorded.print(things_of(world.things_now(), fleet=False, width=_WIDTH, lines=_SIZE + 2))
    svg = recorded.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    # The fonts of the web are left out: the picture stands on its own.
    PICTURE.write_text(re.sub(r"\s*@font-face \{.*?\}\n", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
