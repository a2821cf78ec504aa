"""Pack ``kubectl thing`` for krew: the archive that its manifest names, and the manifest, into ``dist/``."""

import argparse
import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from string import Template

from thing_operator import __version__

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "deploy" / "krew"
_FILES = {SOURCE / "kubectl-thing": 0o755, ROOT / "LICENSE": 0o644}


def archive() -> bytes:
    """A ``tar.gz`` that is the same whenever it is packed."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path, mode in _FILES.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(path.name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def manifest(*, url: str, homepage: str, packed: bytes) -> str:
    """The manifest of the plugin whose archive is under ``url``."""
    template = Template((SOURCE / "thing.yaml").read_text(encoding="utf-8"))
    text = template.substitute(
        {
            "version": __version__,
            "homepage": homepage,
            "url": url,
            "sha256": hashlib.sha256(packed).hexdigest(),
        }
    )
    return text.partition("\n")[2]


def main(options: list[str] | None = None) -> None:
    """Write both files, and say where they are."""
    parser = argparse.ArgumentParser(prog="krew", description=__doc__)
    parser.add_argument("--url", required=True, help="where the archive will be")
    parser.add_argument("--homepage", required=True, help="of the project")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder, instead of dist/")
    arguments = parser.parse_args(options)
    packed = archive()
    arguments.output.mkdir(parents=True, exist_ok=True)
    files = {
        f"kubectl-thing-{__version__}.tar.gz": packed,
        "thing.yaml": manifest(url=arguments.url, homepage=arguments.homepage, packed=packed).encode(),
    }
    for name, content in files.items():
        (arguments.output / name).write_bytes(content)
        print(arguments.output / name)


if __name__ == "__main__":
    main()
