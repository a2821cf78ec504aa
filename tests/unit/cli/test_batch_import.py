"""``thing-operator batch import`` before and after the API server: where it goes, and what it says."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from tests.support.pki import ec_pairs
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Two contexts of a cluster that nobody has to reach; the current one is of namespace plant."""
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    contexts = [
        {"name": "one", "context": {"cluster": "c", "namespace": "plant"}},
        {"name": "two", "context": {"cluster": "c", "namespace": "lab"}},
    ]
    file = tmp_path / "config"
    file.write_text(json.dumps({"clusters": [cluster], "contexts": contexts, "current-context": "one"}))
    return file


def dry_run(kubeconfig: Path, *arguments: str, things: int = 1, name: str = "freezers") -> Result:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, pair in enumerate(ec_pairs(things)):
            for part, data in pair.files.items():
                archive.writestr(f"0000000{number}/{part}", data)
    file = kubeconfig.parent / "batch.zip"
    file.write_bytes(content.getvalue())
    command = ["batch", "import", str(file), f"--kubeconfig={kubeconfig}", "--dry-run", f"--name={name}"]
    return CliRunner().invoke(app, [*command, *arguments])


def test_it_goes_to_the_namespace_of_the_context(kubeconfig: Path) -> None:
    done = dry_run(kubeconfig)
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "would store 1 thing in 1 Secret, and ThingBatch plant/freezers to import them; nothing was changed\n"
    )
    assert "2 things in 1 Secret," in dry_run(kubeconfig, things=2).stdout
    assert "ThingBatch lab/freezers" in dry_run(kubeconfig, "--context=two").stdout
    assert "ThingBatch other/freezers" in dry_run(kubeconfig, "-n", "other").stdout


def test_a_context_that_is_not_there_is_refused(kubeconfig: Path) -> None:
    done = dry_run(kubeconfig, "--context=three")
    assert (done.exit_code, "has no context 'three', but one, two" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["Freezers_1", "x" * 240])
def test_names_are_checked_before_anything_is_sent(kubeconfig: Path, name: str) -> None:
    done = dry_run(kubeconfig, name=name)
    assert (done.exit_code, f"--name {name}: a name of" in done.stderr) == (2, True)


def test_a_namespace_that_cannot_be_is_refused(kubeconfig: Path) -> None:
    done = dry_run(kubeconfig, "--namespace=A_b")
    assert (done.exit_code, "--namespace A_b: a name of at most 63" in done.stderr) == (2, True)
