"""The command blocks of a page of the documentation, and running them as a reader does who pastes them one by one.

A command block is indented, or fenced as ``sh``; what is shown and not typed is fenced otherwise. A comment before a
block, which no reader sees, says what is special about it:

- ``<!-- first: COMMANDS -->``: what the page takes for granted at this place;
- ``<!-- until: CONDITION -->``: it goes on in a terminal of its own, and the next block comes when this succeeds;
- ``<!-- not run: REASON -->``: a part of it cannot be done here. Then programs that need a pod or a registry only
  look at what they are given, and what kubectl would change is a dry run of the API server.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIM = ROOT / "tests" / "support" / "dry_run.sh"
SHIMMED = ("docker", "kind", "minikube", "helm", "kubectl", "make", "mosquitto_sub", "thing-operator")
_PARTS = (
    *("charts", "deploy", "crds", "operator/thing_operator", "operator/thing_operator_local"),
    *(
        "pyproject.toml",
        "hatch_build.py",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "Dockerfile",
        "Makefile",
    ),
)
_BRIDGE_PORT = "8090"
_COMMENT = re.compile(r"<!-- (?P<kind>first|until|not run): (?P<text>.*?) -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that are pasted together; ``marks`` are the comments before it, by their kind."""

    line: int
    text: str
    marks: Mapping[str, str]


def command_blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in their order, with the lines that they begin at."""
    lines = page.read_text(encoding="utf-8").splitlines()
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        begin, line = number, lines[number]
        number += 1
        if line.startswith("<!-- "):
            while "-->" not in lines[number - 1]:
                number += 1
            if mark := _COMMENT.fullmatch("\n".join(lines[begin:number])):
                marks[mark["kind"]] = mark["text"]
        elif line.startswith("```"):
            number = lines.index("```", number) + 1
            if line.split()[0] == "```sh":
                yield Block(begin + 2, "\n".join(lines[begin + 1 : number - 1]), marks)
            marks = {}
        elif line.startswith("    "):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number]):
                number += 1
            yield Block(begin + 1, "\n".join(text[4:] for text in lines[begin:number]).rstrip(), marks)
            marks = {}
        elif line:
            marks = {}


def script(page: Path, folder: Path, *, port: int) -> Path:
    """A bash script in ``folder`` that runs the page's blocks in one shell, and says before each where it stands.

    ``port`` takes the place of the one port that pages name by number, the bridge's: it may be taken here.
    """
    shims = folder / "shims"
    shims.mkdir()
    for name in SHIMMED:
        (shims / name).symlink_to(SHIM)
    lines = ["set -e -o pipefail", "export DEADLINE=120"]
    for block in command_blocks(page):
        file = folder / f"{block.line}.sh"
        file.write_text(block.text.replace(_BRIDGE_PORT, str(port)) + "\n", encoding="utf-8")
        lines += [f"echo '#### {page.name}:{block.line}'", block.marks.get("first", "true")]
        if "not run" in block.marks:
            lines += [f"bash -n {file}", f"PATH={shims}:$PATH", f"source {file}", "PATH=${PATH#*:}"]
        elif "until" in block.marks:
            lines += [f"source {file} >{file}.log 2>&1 &", "SECONDS=0", f"until {block.marks['until']}; do"]
            lines += [f"  [ $SECONDS -lt $DEADLINE ] || {{ cat {file}.log; exit 1; }}", "  sleep 0.2", "done"]
        else:
            lines.append(f"source {file}")
    path = folder / "page.sh"
    path.write_text("\n".join([*lines, "echo '#### end'", ""]), encoding="utf-8")
    return path


def checkout(folder: Path) -> Path:
    """A copy of what the pages' commands need of a checkout: they write into it."""
    for part in _PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def run_script(path: Path, *, cwd: Path, env: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Exit code and output; what still runs in the background is ended."""
    log = path.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", str(path)],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            output.write(b"\n(it did not end)\n")
        finally:
            _end_group(process)
    return process.returncode, log.read_text(encoding="utf-8", errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)
