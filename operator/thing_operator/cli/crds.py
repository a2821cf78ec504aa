"""``thing-operator crds``: print, write or compare the CustomResourceDefinitions."""

from pathlib import Path
from typing import Annotated

import typer

from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason


def crds(
    output_dir: Annotated[
        Path | None, typer.Option(help="write one file per kind into this folder instead of printing")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="compare with the files in this folder; exit 1 if they differ")
    ] = None,
) -> None:
    """Print the CustomResourceDefinitions.

    Examples:
      thing-operator crds | kubectl apply --server-side -f -
      thing-operator crds --output-dir crds
    """
    # Imported here: the models take a moment that no other command should wait for.
    from thing_operator.api.crds import all_crds, to_yaml  # noqa: PLC0415

    files = {name: to_yaml(crd) for name, crd in all_crds().items()}
    if check is not None:
        _compare(files, check)
    elif output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output_dir / name).write_text(text, encoding="utf-8")
    else:
        typer.echo("---\n".join(files.values()), nl=False)


def _compare(files: dict[str, str], folder: Path) -> None:
    stale = [
        name
        for name, text in files.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    if stale:
        raise ToolError(
            f"{', '.join(stale)} in {folder} is not what the models say: run make crds",
            reason=ToolReason.OUT_OF_DATE,
        )
