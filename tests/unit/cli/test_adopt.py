"""``thing-operator adopt``: what the options say, without a cluster, a cloud or a broker."""

import json
from pathlib import Path

import pytest
from tests.support.pki import ec_pair
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app
from thing_operator_local.ports import free_ports

OFFLINE = ["--offline", "--no-cluster"]


def run(folder: Path, *arguments: str) -> Result:
    """On a folder with one thing that can be used and one that cannot."""
    certificates = folder / "certificates"
    for name in ("00001721", "[red]"):
        (certificates / name).mkdir(parents=True)
        for file, content in ec_pair().files.items():
            (certificates / name / file).write_bytes(content)
    command = ["adopt", str(certificates), f"--output={folder / 'things'}", *arguments]
    return CliRunner().invoke(app, command, env={"COLUMNS": "300"})


def test_the_summary_is_a_table(tmp_path: Path) -> None:
    done = run(tmp_path, *OFFLINE)
    assert done.exit_code == 1, done.output
    assert "2 things: 1 Unusable, 1 Written; 1 needs attention" in done.output
    assert "[red]" in done.output
    assert [file.name for file in (tmp_path / "things").iterdir()] == ["thing-00001721.yaml"]


def test_or_json(tmp_path: Path) -> None:
    done = run(tmp_path, *OFFLINE, "--format=json", "--suspend", "--namespace=fleet")
    result = json.loads(done.stdout)
    assert (result["written"], result["unusable"], result["needAttention"]) == (1, 1, 1)
    assert result["things"][0] == {"name": "00001721", "result": "Written", "needsAttention": False}
    text = (tmp_path / "things" / "thing-00001721.yaml").read_text()
    assert 'namespace: "fleet"' in text
    assert "suspend: true" in text


def test_the_namespace_is_the_contexts_where_a_cluster_is_asked_and_is_checked(tmp_path: Path) -> None:
    done = run(tmp_path, *OFFLINE)
    assert 'namespace: "default"' in (tmp_path / "things" / "thing-00001721.yaml").read_text()
    done = run(tmp_path / "no", *OFFLINE, "--namespace=a.b")
    assert (done.exit_code, "--namespace a.b: a name of at most 63" in done.stderr) == (2, True)
    done = run(tmp_path / "none", "--offline", f"--kubeconfig={tmp_path / 'nothing'}")
    assert (done.exit_code, "there is no kubeconfig" in done.stderr) == (2, True)


def test_private_keys_are_warned_of(tmp_path: Path) -> None:
    done = run(tmp_path, *OFFLINE, f"--secrets={tmp_path / 'secrets'}")
    assert "hold private keys: never put them into Git" in done.stderr
    assert "PRIVATE KEY" not in done.output


def test_the_look_goes_through_the_operators_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_SESSION__PROXY", f"socks5h://127.0.0.1:{free_ports(1)[0]}")
    done = run(tmp_path, "--no-cluster", "--endpoint=broker.invalid", "--format=json")
    assert "proxy" in json.loads(done.stdout)["things"][0]["message"]
    monkeypatch.setenv("THING_OPERATOR_SESSION__PROXY", "nonsense")
    done = run(tmp_path / "again", "--no-cluster", "--endpoint=broker.invalid")
    assert (done.exit_code, "session.proxy" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-cluster"], "name the --endpoint whose shadows"),
        ([*OFFLINE, "--stack=a", "--api=https://b"], "either --stack or --api"),
        (["--no-cluster", "--endpoint=https://h:8883"], "a host name without scheme and port is expected"),
        (
            [*OFFLINE, "--stack=https://b"],
            "--stack https://b: a host name without scheme and port is expected",
        ),
        (["--no-cluster", "--endpoint=h", "--ca-file=none.pem"], "--ca-file none.pem cannot be read"),
        (["--offline", "--kubeconfig=none"], "none"),
        ([*OFFLINE, "--from-secrets"], "--from-secrets needs the cluster"),
        ([*OFFLINE, "--namespace=A_b"], "--namespace A_b"),
    ],
)
def test_nothing_is_written_when_an_option_is_wrong(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert not (tmp_path / "things").exists()


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["adopt", f"--output={tmp_path / 'things'}", *OFFLINE])
    assert done.exit_code == 2
    assert "name a SOURCE" in done.stderr
