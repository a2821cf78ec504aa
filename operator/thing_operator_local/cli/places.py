"""Options that several commands of ``cloud`` share."""

from pathlib import Path
from typing import Annotated

import typer

RunningFolder = Annotated[
    Path | None,
    typer.Option("--dir", help="folder of a running cloud; the one that runs, when there is just one"),
]
ThingName = Annotated[str, typer.Argument(metavar="THING", help="name of the thing, such as 00000001")]
ShadowName = Annotated[str | None, typer.Option("--name", help="a named shadow; the classic one without it")]
