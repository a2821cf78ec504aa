"""``thing-operator cloud batch``: a batch of things from a running local cloud, as MIC would give it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator_local.cli.places import RunningFolder
from thing_operator_local.cloud.client import CloudInfo, MicSession
from thing_operator_local.cloud.running import cloud_folder
from thing_operator_local.errors import LocalError
from thing_operator_local.files import write_secret
from thing_operator_local.pki import KeyType


def batch(
    size: Annotated[int, typer.Option(help="number of things, 1 to 1000", min=1, max=1000)],
    output: Annotated[Path, typer.Option(help="the zip to write; it holds private keys")],
    directory: RunningFolder = None,
    thing_type: Annotated[str, typer.Option(help="id of the thing type")] = "thing",
    domain: Annotated[str, typer.Option(help="id of the domain")] = "root",
    key_type: Annotated[KeyType, typer.Option(help="ec is a hundred times quicker to make")] = KeyType.RSA,
) -> None:
    """Make a batch through the running cloud's MIC API and download its zip.

    Examples:
      thing-operator cloud batch --dir ~/cloud --size 10 --output batch.zip
      thing-operator cloud batch --dir cloud --size 2 --output b.zip --key-type ec
    """
    _check_place(output)
    session = MicSession(CloudInfo.load(cloud_folder(directory)))
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
        write_secret(output, data)
    except OSError as error:
        raise LocalError(f"--output {output} cannot be written: {error.strerror}") from None
    console.print(f"{output}: {size} things", markup=False, highlight=False, soft_wrap=True)


def _check_place(output: Path) -> None:
    """Raise LocalError before a batch is made for nothing."""
    if output.is_dir():
        raise LocalError(f"--output {output} is a folder: name the zip to write")
    if not output.parent.is_dir():
        raise LocalError(f"--output {output}: there is no folder {output.parent}; make it first")
