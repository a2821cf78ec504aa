"""The files of an adoption: Things for Git, and on request Secrets in a folder apart from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from thing_operator.adopt.manifests import documents_in, file_name, one_file, to_yaml
from thing_operator.adopt.model import Adoption
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.files import write_private
from thing_operator.core.reasons import ToolReason

ONE_FILE: Final = "things.yaml"


@dataclass(frozen=True, slots=True)
class OutputFolders:
    """Where to write: Things in ``things``, Secrets in ``secrets``, in folders of their own.

    ``single_file``: all Things in ``things.yaml`` instead of a file each. ``force``: what is in the folders already may
    be overwritten; nothing of it is ever deleted.
    """

    things: Path
    secrets: Path | None = None
    single_file: bool = False
    force: bool = False

    def check(self) -> None:
        """Before anything else is done. Raises ToolError."""
        for folder, option in ((self.things, "--output"), (self.secrets, "--secrets")):
            if folder is not None:
                _check_folder(folder, option=option, force=self.force)
        if self.secrets is not None and _is_within(self.secrets, self.things):
            raise ToolError(
                f"--secrets {self.secrets} and --output {self.things} must lie apart: the Secrets hold private keys, "
                "and the Things go into Git",
                reason=ToolReason.INVALID_ARGUMENTS,
            )

    def write(self, adoptions: Iterable[Adoption]) -> None:
        """Write what is to be written; raises ToolError when a file cannot be."""
        done = tuple(adoptions)
        things = [each.thing for each in done if each.thing is not None]
        try:
            self.things.mkdir(parents=True, exist_ok=True)
            if self.single_file:
                path = self.things / ONE_FILE
                _write(path, one_file(things, kept=_documents_in(path)))
            else:
                for body in things:
                    _write(self.things / file_name(body), to_yaml(body))
            self._write_secrets(done)
        except OSError as error:
            raise ToolError(
                f"cannot write {error.filename or self.things}: {in_words(error)}",
                reason=ToolReason.NOT_WRITTEN,
            ) from None

    def _write_secrets(self, adoptions: Iterable[Adoption]) -> None:
        if self.secrets is None:
            return
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in adoptions:
            if each.secret is not None:
                write_private(self.secrets / file_name(each.secret), to_yaml(each.secret).encode())


def _check_folder(folder: Path, *, option: str, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ToolError(f"{option} {folder} is a file: name a folder", reason=ToolReason.INVALID_ARGUMENTS)
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise ToolError(
            f"{option} {folder} is not empty: name another folder, or allow with --force that files in it are "
            "overwritten",
            reason=ToolReason.NAME_TAKEN,
        )


def _documents_in(path: Path) -> dict[str, str]:
    try:
        return documents_in(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ToolError(
            f"{path} is not as adopt has written it ({error}): move it away", reason=ToolReason.NAME_TAKEN
        ) from None


def _is_within(one: Path, other: Path) -> bool:
    """Whether one of the two folders is in the other, or both are the same."""
    first, second = one.resolve(), other.resolve()
    return first.is_relative_to(second) or second.is_relative_to(first)


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, unless it says the same."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return
    incoming = path.with_name(f".{path.name}.new")
    incoming.write_bytes(content)
    incoming.replace(path)
