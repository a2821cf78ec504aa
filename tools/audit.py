"""What the image is built from, judged: ``make audit`` offline, ``make audit ARGS=--online`` with the advisories, too.

Offline: each requirement has hashes and the version of ``constraints.txt``, none is missing and none is left over for
any supported Python on Linux, and each has a licence that may go into the image. The advisories are asked for by
pip-audit, for exactly these versions.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageMetadata, distribution, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.pythons import NEWEST, OLDEST

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "requirements" / "image.txt"
BUILD = ROOT / "requirements" / "build.txt"
CONSTRAINTS = ROOT / "constraints.txt"

LICENCES = (
    "apache",
    "mit",
    "bsd",
    "psf",
    "python software foundation",
    "mpl-2.0",
    "mozilla public",
    "isc",
    "unlicense",
)
"""What may be in the image, by the words of a licence expression, field or classifier: an image is handed on."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each requirement, by its canonical name."""
    return {
        canonicalize_name(name): (version, rest.count("--hash=sha256:"))
        for name, version, rest in _PIN.findall(text)
    }


def pin_faults(
    file: str, pinned: Mapping[str, tuple[str, int]], constraints: Mapping[str, str]
) -> Iterator[str]:
    """Requirements without a hash, or with another version than the constraints."""
    for name, (version, hashes) in pinned.items():
        if not hashes:
            yield f"{file}: {name} has no hash: make requirements"
        if constraints.get(name) != version:
            yield f"{file}: {name} is {version}, and constraints.txt says {constraints.get(name)}: make requirements"


def closure(name: str, minor: int) -> set[str]:
    """All that a package needs on Linux with Python 3.``minor``, by what is installed here, itself left out."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in distribution(name).requires or ()]
    while waiting:
        wanted = waiting.pop()
        for extra in wanted.extras or {""}:
            python = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.2", "extra": extra}
            if wanted.marker and not wanted.marker.evaluate({**python, "extra": "", "sys_platform": "linux"}):
                continue
            key = f"{canonicalize_name(wanted.name)}[{extra}]"
            if key in found:
                continue
            found.add(key)
            for text in distribution(wanted.name).requires or ():
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate({**python, "sys_platform": "linux"}):
                    inner.marker = None
                    waiting.append(inner)
    return {key.partition("[")[0] for key in found}


def licence_of(about: PackageMetadata) -> str:
    """What a package says of its licence: expression, classifiers, or the first line of the field."""
    said = {name: about.get_all(name) or [""] for name in ("License-Expression", "Classifier", "License")}
    classifiers = [text for text in said["Classifier"] if text.startswith("License ::")]
    return said["License-Expression"][0] or "; ".join(classifiers) or said["License"][0].partition("\n")[0]


def is_permitted(licence: str) -> bool:
    """Whether a package with this licence may be in the image; of what is joined by AND, each part has to be."""
    return all(any(word in part for word in LICENCES) for part in re.split(r"\band\b|;", licence.lower()))


def offline_faults() -> list[str]:
    """All that is wrong without asking anybody."""
    constraints: dict[str, str] = {
        canonicalize_name(line.partition("==")[0]): line.partition("==")[2].strip()
        for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    found: list[str] = []
    for file in (IMAGE, BUILD):
        found += pin_faults(file.name, pins(file.read_text(encoding="utf-8")), constraints)
    pinned = set(pins(IMAGE.read_text(encoding="utf-8")))
    for minor in range(OLDEST, NEWEST + 1):
        found += [
            f"image.txt lacks {name}, which is needed on Python 3.{minor}: make requirements"
            for name in sorted(closure("thing-operator", minor) - pinned)
        ]
    needed = set().union(*(closure("thing-operator", minor) for minor in range(OLDEST, NEWEST + 1)))
    found += [
        f"image.txt: {name} has the licence {text!r}, which is not in tools/audit.py"
        for name in sorted(needed)
        if not is_permitted(text := licence_of(metadata(name)))
    ]
    return found


def main() -> None:
    """Say what is wrong, and end with 1 where anything is."""
    parser = argparse.ArgumentParser(description="Judge what the image is built from.")
    parser.add_argument(
        "--online", action="store_true", help="ask for advisories, too (pip-audit, from the Python index)"
    )
    options = parser.parse_args()
    if found := offline_faults():
        sys.exit("\n".join(found))
    count = len(pins(IMAGE.read_text(encoding="utf-8")))
    print(f"{count} requirements of the image: hashes, versions and licences are right")
    if options.online:
        command = [sys.executable, "-m", "pip_audit", "--strict", "--require-hashes", "--disable-pip"]
        sys.exit(subprocess.run([*command, f"--requirement={IMAGE}"], check=False).returncode)


if __name__ == "__main__":
    main()
