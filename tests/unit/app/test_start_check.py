"""``run --check``: which rights it asks about, and what it says of settings when there is no cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.words import pythons_words_in
from typer.testing import CliRunner

from thing_operator.app.start_check import RIGHTS
from thing_operator.cli.main import app

ROLES = Path(__file__).parents[3] / "deploy" / "overlays" / "cluster" / "rbac.yaml"


def granted() -> set[tuple[str, str, str, str]]:
    """Group, kind, verb and name of all that the operator's ClusterRole for all namespaces grants."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(ROLES.read_text(encoding="utf-8")))
    (role,) = (each for each in documents if each["kind"] == "ClusterRole")
    return {
        (group, resource, verb, name)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_rights_are_those_of_the_role() -> None:
    asked = {(each.resource.group, each.target, verb, each.name) for each in RIGHTS for verb in each.verbs}
    assert asked == granted()


def test_the_context_of_the_kubeconfig_may_be_named(tmp_path: Path) -> None:
    body = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "current-context": "one",
    }
    body["contexts"] = [{"name": name, "context": {"cluster": "c"}} for name in ("one", "two")]
    file = tmp_path / "config"
    file.write_text(json.dumps(body))
    command = ["run", "--check", f"--kubeconfig={file}"]
    assert "context two of" in CliRunner().invoke(app, [*command, "--context=two"]).output
    assert "has no context 'three'" in CliRunner().invoke(app, [*command, "--context=three"]).output


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        (
            "endpoint: {host: h}",
            0,
            ["ok       the settings are valid", "warning  no cluster was asked: there is no kubeconfig"],
        ),
        ("{}", 0, ["warning  no broker: endpoint.host is not set"]),
        (
            "{health: {port: 7000}, bridge: {port: 7000}}",
            1,
            ["bridge.port: 7000 is not allowed: health.port is the same"],
        ),
        (
            "endpoint: {caFile: /absent}",
            0,
            ["warning  on this machine: endpoint.caFile /absent cannot be read"],
        ),
        ("endpoint: {hots: h}", 1, ["endpoint.hots: there is no such setting (did you mean endpoint.host?)"]),
    ],
)
def test_settings_are_checked_without_a_cluster(
    tmp_path: Path, config: str, code: int, words: list[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(config)
    command = ["run", "--check", f"--config={file}", f"--kubeconfig={tmp_path / 'absent'}"]
    done = CliRunner().invoke(app, command)
    said = f"{done.output}{done.exception or ''}"
    assert done.exit_code == code
    assert [word for word in words if word not in said] == []
    assert pythons_words_in(done.output) == []
