"""The version, wherever it is written. ``make version ARGS=0.2.0`` sets it, ``ARGS="--check v0.2.0"`` compares a tag.

Its one source is the package; the chart, the Dockerfile, README and the docs repeat it, because they are read and
used without Python. ``deploy/`` is rendered from the chart afterwards (``make chart``).
"""

import argparse
import datetime as dt
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"

_TAG = re.compile(r"v?(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
# File, and what stands before the version there.
_PLACES = (
    ("operator/thing_operator/__init__.py", r'__version__ = "'),
    ("charts/thing-operator/Chart.yaml", r"^version: "),
    ("charts/thing-operator/Chart.yaml", r'^appVersion: "'),
    ("Dockerfile", r"ARG VERSION="),
    ("Dockerfile", r"thing-operator:"),
    ("README.md", r"Alpha, version "),
    ("README.md", r"/thing-operator:"),
    ("docs/operations/install.md", r"/thing-operator:"),
)
_NUMBER = r"(\d+\.\d+\.\d+\w*)"


def found() -> Iterator[tuple[str, str]]:
    """Each place, as ``file:line``, and the version that is written there. Raises LookupError where none is."""
    for name, before in _PLACES:
        text = (ROOT / name).read_text(encoding="utf-8")
        matches = list(re.finditer(before + _NUMBER, text, re.MULTILINE))
        if not matches:
            raise LookupError(f"{name} has no version after {before}")
        for match in matches:
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match[1]


def faults(tag: str, today: dt.date) -> list[str]:
    """What does not fit a release of this tag: places with another version, and no dated section in the changelog."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return [f"{tag} is no version: a tag is v1.2.3, v1.2.3a1, v1.2.3b1 or v1.2.3rc1"]
    version = match[1]
    wrong = [f"{place} says {other}, and the tag {version}" for place, other in found() if other != version]
    heading = f"## {version} ({today.isoformat()})"
    if heading not in CHANGELOG.read_text(encoding="utf-8").splitlines():
        wrong.append(f"CHANGELOG.md has no line {heading!r}")
    return wrong


def section(version: str) -> str:
    """What the changelog says of a version, without its heading. Raises LookupError where it says nothing."""
    text = CHANGELOG.read_text(encoding="utf-8")
    match = re.search(
        rf"^## {re.escape(version)} \([^)]*\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if match is None:
        raise LookupError(f"CHANGELOG.md has no section of {version}")
    return match[1].strip() + "\n"


def write(version: str) -> None:
    """Put ``version`` everywhere. Raises ValueError when it is none."""
    if not _TAG.fullmatch(version) or version.startswith("v"):
        raise ValueError(f"{version} is no version: 1.2.3, 1.2.3a1, 1.2.3b1 or 1.2.3rc1")
    for name, before in _PLACES:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        path.write_text(
            re.sub(f"({before}){_NUMBER}", rf"\g<1>{version}", text, flags=re.MULTILINE), encoding="utf-8"
        )


def main() -> None:
    """Set or compare."""
    parser = argparse.ArgumentParser(description="Set the version everywhere, or compare it with a tag.")
    parser.add_argument("version", nargs="?", help="to be written, such as 0.2.0")
    parser.add_argument(
        "--check", metavar="TAG", help="compare only, such as v0.2.0; 1 where anything differs"
    )
    options = parser.parse_args()
    if options.check:
        sys.exit("\n".join(faults(options.check, dt.datetime.now(dt.UTC).date())))
    if not options.version:
        parser.error("a version, or --check TAG")
    try:
        write(options.version)
    except ValueError as fault:
        sys.exit(str(fault))
    print(f"{options.version} is written; then: make chart, and the date in CHANGELOG.md")


if __name__ == "__main__":
    main()
