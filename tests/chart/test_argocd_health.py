"""Argo CD's health scripts over their test data, as Argo CD's own harness runs them: Lua 5.1, few libraries."""

from pathlib import Path

import pytest
import yaml
from tests.chart.rendering import ROOT, Json
from tests.support.argocd import SCRIPTS, TextTimes, health_of

KINDS = ("Thing", "ThingBatch")


def cases() -> list[tuple[str, str, Json]]:
    found = []
    for kind in KINDS:
        tests = yaml.safe_load((SCRIPTS / kind / "health_test.yaml").read_text(encoding="utf-8"))["tests"]
        found += [(kind, test["inputPath"], test["healthStatus"]) for test in tests]
    return found


@pytest.mark.parametrize(("kind", "file", "expected"), cases())
def test_health(kind: str, file: str, expected: Json) -> None:
    body = yaml.load((SCRIPTS / kind / file).read_text(encoding="utf-8"), Loader=TextTimes)  # noqa: S506
    assert health_of(kind, body) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_all_data_is_used_and_one_script_serves_both(kind: str) -> None:
    used = {Path(file).name for tested, file, _ in cases() if tested == kind}
    assert {file.name for file in (SCRIPTS / kind / "testdata").iterdir()} == used
    script = (SCRIPTS / kind / "health.lua").read_text(encoding="utf-8")
    assert script == (SCRIPTS / "Thing" / "health.lua").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "status", [None, {}, {"conditions": []}, {"observedGeneration": 1, "conditions": []}]
)
def test_a_status_that_says_little_is_progressing(status: Json | None) -> None:
    body: Json = {"metadata": {"generation": 1}, "spec": {}} | ({} if status is None else {"status": status})
    assert health_of("Thing", body)["status"] == "Progressing"


def test_the_config_map_has_the_scripts() -> None:
    text = (ROOT / "deploy" / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)["data"]
    assert data == {
        f"resource.customizations.health.thing-operator.io_{kind}": (
            SCRIPTS / kind / "health.lua"
        ).read_text()
        for kind in KINDS
    }
