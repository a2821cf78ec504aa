"""The bill of materials of an image: its Python packages, read from the image itself, as CycloneDX.

The packages of the base image are not in it: ``docker buildx --sbom`` and the scanner look at those.
"""

import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.image_archive import layers

_METADATA = re.compile(r"(?:\./)?opt/thing-operator/lib/python3[^/]*/site-packages/([^/]+\.dist-info)/(\w+)")
_FILES = ("METADATA", "WHEEL", "RECORD", "INSTALLER")


def write_bill(archive: Path, output: Path) -> None:
    """Write the bill of the image in ``archive`` to ``output``, reproducibly. Raises subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        python = Path(folder) / "bin" / "python"
        [site] = Path(folder).glob("lib/python3*/site-packages")
        for name, content in _metadata(archive):
            file = site / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
        command += ["--mc-type=application", f"--output-file={output}", str(python)]
        subprocess.run(command, check=True, stderr=subprocess.PIPE)


def _metadata(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for layer in layers(archive):
        for member in layer:
            match = _METADATA.fullmatch(member.name)
            if match and match[2] in _FILES and (file := layer.extractfile(member)):
                yield PurePosixPath(match[1]) / match[2], file.read()
