"""``thing-operator cloud batch``: a batch of things from a running local cloud, as MIC would give it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator.core.errors import ToolError
from thing_operator.core.files import check_target, write_private
from thing_operator_local.cloud.certificates import KeyType
from thing_operator_local.cloud.client import CloudInfo, MicSession


def batch(
    directory: Annotated[Path, typer.Option("--dir", help="folder of a running cloud")],
    size: Annotated[int, typer.Option(help="number of things, 1 to 1000", min=1, max=1000)],
    output: Annotated[Path, typer.Option(help="the zip to write; it holds private keys")],
    thing_type: Annotated[str, typer.Option(help="id of the thing type")] = "thing",
    domain: Annotated[str, typer.Option(help="id of the domain")] = "root",
    key_type: Annotated[KeyType, typer.Option(help="ec is a hundred times quicker to make")] = KeyType.RSA,
) -> None:
    """Make a batch through the running cloud's MIC API and download its zip."""
    check_target(output, name=f"--output {output}")
    session = MicSession(CloudInfo.load(directory))
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{size} things", total=size)
        data = session.create_batch(
            size,
            thing_type=thing_type,
            domain=domain,
            key_type=key_type.value,
            progress=lambda done: progress.update(task, completed=done),
        )
    try:
        write_private(output, data)
    except OSError as error:
        raise ToolError(
            f"--output {output}: cannot be written: {error.strerror}", reason="NotWritten"
        ) from None
    console.print(f"{output}: {size} things", highlight=False, soft_wrap=True)
