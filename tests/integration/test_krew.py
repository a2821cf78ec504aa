"""``kubectl thing`` as krew would install it."""

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from tools.krew import main

from thing_operator import __version__

URL = "https://example.com/kubectl-thing.tar.gz"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    main([f"--url={URL}", "--homepage=https://example.com", f"--output={tmp_path / 'dist'}"])
    return tmp_path / "dist"


def test_krew_finds_no_fault_with_the_manifest(packed: Path, krew_linter: Path) -> None:
    command = [str(krew_linter), "-skip-install", "-manifest", str(packed / "thing.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    # It is not that it takes anything.
    wrong = packed / "other.yaml"
    wrong.write_bytes((packed / "thing.yaml").read_bytes())
    command = [str(krew_linter), "-skip-install", "-manifest", str(wrong)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


def test_the_archive_is_the_one_of_the_manifest_and_starts_the_command(packed: Path, tmp_path: Path) -> None:
    archive = packed / f"kubectl-thing-{__version__}.tar.gz"
    [platform] = yaml.safe_load((packed / "thing.yaml").read_text())["spec"]["platforms"]
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as tar:
        assert tar.getnames() == [each["from"] for each in platform["files"]]
        tar.extractall(tmp_path / "store", filter="data")
    plugin = tmp_path / "store" / platform["bin"]
    system = "/usr/bin:/bin"
    found = {"PATH": f"{Path(sys.executable).parent}:{system}"}
    done = subprocess.run([plugin, "--help"], env=found, capture_output=True, text=True, check=False)
    assert (done.returncode, "explain" in done.stdout) == (0, True)
    done = subprocess.run([plugin], env={"PATH": system}, capture_output=True, text=True, check=False)
    assert (done.returncode, "install its wheel" in done.stderr) == (2, True)
