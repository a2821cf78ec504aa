"""Zips by the tools that people zip with: each is made here by its tool, and skipped by name where that is missing.

What Node's libraries write is tried where Node finds them: ``npm install --prefix DIR yazl fflate jszip adm-zip``,
and ``NODE_PATH=DIR/node_modules``. ``.ci/run`` does that, and installs 7z and bsdtar.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.pki import NOW, Pair

from thing_operator.credentials import ArchiveRefusedError, read_batch

Fleet = dict[str, Pair]

PROGRAMS = Path(__file__).parent / "producers"


@dataclass(frozen=True)
class Producer:
    """A script of bash that runs in the folder of the things' folders and writes ``zips`` into $OUT."""

    needs: str
    script: str
    zips: Sequence[str] = ("a",)


def tool(needs: str, **scripts: str) -> dict[str, Producer]:
    """Ways of one tool that each write one zip."""
    return {f"{needs} {name.replace('_', ' ')}": Producer(needs, script) for name, script in scripts.items()}


def library_of_node(name: str, *zips: str) -> dict[str, Producer]:
    return {f"node {name}": Producer("node", f'node {PROGRAMS}/zips.js . "$OUT" {name}', zips)}


PRODUCERS: Mapping[str, Producer] = {
    **tool(
        "zip",
        recursively='zip -qr "$OUT/a.zip" .',
        stored='zip -q0r "$OUT/a.zip" .',
        without_folders='zip -qrD "$OUT/a.zip" .',
        without_extra_fields='zip -qrX "$OUT/a.zip" .',
        names_of_DOS='zip -qrk "$OUT/a.zip" .',
        CRLF='zip -qrl "$OUT/a.zip" .',
        zip64='zip -qr -fz "$OUT/a.zip" .',
        data_descriptors='zip -qr -fd "$OUT/a.zip" .',
        to_a_pipe='zip -qr - . | cat > "$OUT/a.zip"',
        with_an_entry_from_standard_input='zip -qr "$OUT/a.zip" . && echo notes | zip -q "$OUT/a.zip" -',
        from_named_pipes="""
            for file in */*; do
                content=$(base64 "$file"); rm "$file"; mkfifo "$file"
                base64 --decode <<< "$content" > "$file" &
            done
            zip -q -FI -r "$OUT/a.zip" .
            wait
        """,
    ),
    **tool(
        "7z",
        deflated='7z a -bd -bso0 -tzip "$OUT/a.zip" .',
        stored='7z a -bd -bso0 -tzip -mm=Copy "$OUT/a.zip" .',
        to_a_pipe='7z a -bd -bso0 -tzip -so a.zip . | cat > "$OUT/a.zip"',
        from_standard_input="""
            for file in */*; do 7z a -bd -bso0 -tzip "-si$file" "$OUT/a.zip" < "$file"; done
        """,
    ),
    **tool(
        "bsdtar",
        deflated='bsdtar -acf "$OUT/a.zip" .',
        stored='bsdtar --format zip --options zip:compression=store -cf "$OUT/a.zip" *',
        to_a_pipe='bsdtar --format zip -cf - * | cat > "$OUT/a.zip"',
        stored_to_a_pipe="""
            bsdtar --format zip --options zip:compression=store -cf - * | cat > "$OUT/a.zip"
        """,
        out_of_a_tar='tar -c . | bsdtar --format zip -cf "$OUT/a.zip" @-',
        zip64='bsdtar --format zip --options zip:zip64 -cf "$OUT/a.zip" *',
    ),
    **tool(
        "jar",
        with_a_manifest='jar cf "$OUT/a.zip" .',
        without='jar cfM "$OUT/a.zip" *',
        stored='jar cf0M "$OUT/a.zip" .',
    ),
    **tool(
        "git",
        archive="""
            git init -q . && git add .
            git -c user.name=me -c user.email=me@example.com -c commit.gpgsign=false commit -qm things
            git archive --format=zip --prefix=batch/ -o "$OUT/a.zip" HEAD
        """,
    ),
    "java": Producer(
        "java", f'java {PROGRAMS}/Zips.java . "$OUT"', ("stream", "stored", "zipfs", "zipfs-stored")
    ),
    "go": Producer(
        "go", f'GO111MODULE=off go run {PROGRAMS}/zips.go . "$OUT"', ("addfs", "create", "raw", "stored")
    ),
    **library_of_node("yazl", "buffer", "buffer-stored", "stream", "stream-stored"),
    **library_of_node("fflate", "deflated", "passed-through", "stored"),
    **library_of_node("jszip", "deflated", "plain", "streamed", "unix"),
    **library_of_node("adm-zip", "file", "folder"),
    "perl IO::Compress::Zip": Producer(
        "perl",
        f'perl {PROGRAMS}/zips.pl "$OUT"',
        ("deflated", "minimal", "stored-stream", "zip64-stream"),
    ),
    "python zipfile": Producer(
        sys.executable,
        f'"{sys.executable}" -m zipfile -c "$OUT/command.zip" * && "{sys.executable}" {PROGRAMS}/zips.py "$OUT"',
        ("command", "make-archive", "pipe", "pipe-stored", "zip64"),
    ),
}

REFUSED: Mapping[str, tuple[Producer, str]] = {
    "zip with a password": (
        Producer("zip", 'zip -qr -P secret "$OUT/a.zip" .'),
        "is encrypted: zip the folders without a password",
    ),
    "zip by bzip2": (Producer("zip", 'zip -qr -Z bzip2 "$OUT/a.zip" .'), "use deflate, the usual one"),
    "7z by LZMA": (
        Producer("7z", '7z a -bd -bso0 -tzip -mm=LZMA "$OUT/a.zip" .'),
        "use deflate, the usual one",
    ),
    "7z in its own format": (Producer("7z", '7z a -bd -bso0 -t7z "$OUT/a.zip" .'), "but a 7z archive"),
    "zip of a link": (
        Producer("zip", 'for thing in *; do ln -s cert.pem "$thing/link"; done; zip -qry "$OUT/a.zip" .'),
        "is a link or device",
    ),
    "tar": (Producer("tar", 'tar -czf "$OUT/a.zip" .'), "but a gzip file"),
}


def made_by(producer: Producer, fleet: Fleet, folder: Path) -> dict[str, bytes]:
    """The zips of a producer by their names; skips the test where it is missing."""
    if shutil.which(producer.needs) is None:
        pytest.skip(f"needs {producer.needs}")
    things, out = folder / "things", folder / "out"
    out.mkdir()
    for name, pair in fleet.items():
        (things / name).mkdir(parents=True)
        for file, content in pair.files.items():
            (things / name / file).write_bytes(content)
    env = {**os.environ, "OUT": str(out)}
    run = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", producer.script],
        cwd=things,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "Cannot find module" in run.stderr:
        pytest.skip("needs a library of Node, which NODE_PATH does not lead to")
    assert run.returncode == 0, run.stderr
    return {file.stem: file.read_bytes() for file in out.glob("*.zip")}


@pytest.mark.parametrize("name", PRODUCERS)
def test_what_a_tool_makes_is_read(name: str, fleet: Fleet, tmp_path: Path) -> None:
    found = made_by(PRODUCERS[name], fleet, tmp_path)
    assert set(found) == set(PRODUCERS[name].zips)
    for data in found.values():
        entries = read_batch(data, now=NOW)
        assert [entry.problem for entry in entries] == [None] * len(fleet)
        read = {entry.thing_name: entry.credentials for entry in entries}
        assert {
            name: each and (each.certificate_pem, each.private_key_pem) for name, each in read.items()
        } == {name: (pair.certificate, pair.private_key) for name, pair in fleet.items()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named(name: str, fleet: Fleet, tmp_path: Path) -> None:
    producer, words = REFUSED[name]
    first = dict(list(fleet.items())[:1])
    (data,) = made_by(producer, first, tmp_path).values()
    with pytest.raises(ArchiveRefusedError) as caught:
        read_batch(data, now=NOW)
    assert words in caught.value.message
