"""Writes the files two folders down as zips into the folder that is named, in the ways of Python's library."""

import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

INTO = Path(sys.argv[1])
FILES = sorted(Path().glob("*/*"))


class Unseekable:
    """Cannot be sought in, as standard output."""

    def __init__(self, file: Any) -> None:
        self.write, self.flush = file.write, file.flush


def to_a_pipe(name: str, method: int) -> None:
    with (
        (INTO / f"{name}.zip").open("wb") as file,
        zipfile.ZipFile(Unseekable(file), "w", method) as archive,  # type: ignore[call-overload]
    ):
        for each in FILES:
            archive.write(each)


shutil.make_archive(str(INTO / "make-archive"), "zip", ".")
to_a_pipe("pipe", zipfile.ZIP_DEFLATED)
to_a_pipe("pipe-stored", zipfile.ZIP_STORED)
with zipfile.ZipFile(INTO / "zip64.zip", "w") as archive:
    for each in FILES:
        with archive.open(str(each), "w", force_zip64=True) as entry:
            entry.write(each.read_bytes())
