"""What the command line says when something that a person named is wrong: one line, in words, and a code."""

import json
import sys
from pathlib import Path

import pytest
from tests.support.words import pythons_words_in

from thing_operator.cli.main import main

NO_SERVER = "https://127.0.0.1:1"

COMMANDS = {
    "crds into no folder": ["crds", "--output-dir=/proc/absent"],
    "crds into a file": ["crds", "--output-dir={file}"],
    "crds that differ": ["crds", "--check={folder}"],
    "settings that are no file": ["run", "-A", "--config={folder}"],
    "settings that are no text": ["run", "-A", "--config={binary}"],
    "settings that are wrong": ["run", "-A", "--config={settings}"],
    "probe with no certificate": [
        "probe",
        "--endpoint=127.0.0.1",
        "--thing=t",
        "--certificate={file}",
        "--key={file}",
    ],
    "a zip that is a folder": ["batch", "inspect", "{folder}"],
    "a zip that is absent": ["batch", "inspect", "{file}.absent"],
    "a zip that is none": ["batch", "inspect", "{binary}"],
    "an import of what is none": ["batch", "import", "{binary}", "--name=x"],
    "an order to nobody": [
        "batch",
        "create",
        "{folder}/new.zip",
        "--user=u",
        "--password=p",
        "--batch-id=1",
        f"--api={NO_SERVER}",
    ],
    "a batch into no folder": [
        "batch",
        "create",
        "/proc/absent/x.zip",
        "--user=u",
        "--password=p",
        "--batch-id=1",
        "--stack=h",
    ],
    "adopting what is absent": [
        "adopt",
        "--offline",
        "--no-cluster",
        "--output={folder}/new",
        "{file}.absent",
    ],
    "adopting from no cluster": [
        "adopt",
        "--offline",
        "--from-secrets",
        "--output={folder}/new",
        "--kubeconfig={kubeconfig}",
    ],
    "a cloud in no folder": ["cloud", "run", "--dir=/proc/absent"],
    "a cluster in no folder": ["cluster", "run", "--dir=/proc/absent"],
    "a demo in no folder": ["demo", "--once", "--dir=/proc/absent"],
    "a batch of no cloud": ["cloud", "batch", "--dir={folder}", "--size=1", "--output={folder}/new.zip"],
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """What the commands name, by its name there."""
    found = {name: tmp_path / name for name in ("file", "binary", "settings", "kubeconfig", "folder")}
    found["folder"].mkdir()
    found["file"].touch()
    found["binary"].write_bytes(b"\xff\xfe\x00")
    found["settings"].write_text("endpoint: {host: 'https://x'}\nlog: loud\nnamespaces: {a: null}\n")
    login = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": NO_SERVER}}],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
    }
    found["kubeconfig"].write_text(json.dumps(login))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_is_one_message_in_words(
    files: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [each.format(**files) for each in COMMANDS[name]]
    monkeypatch.setattr(sys, "argv", ["thing-operator", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code in (1, 2)
    assert said.startswith("error: ")
    assert pythons_words_in(said) == []
    assert r"\n" not in said
    assert "t0ken" not in said
