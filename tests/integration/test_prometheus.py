"""A real Prometheus scrapes the operator: the alerts load, and a panel has the figures of what runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess

FILES = Path(__file__).parents[2] / "charts" / "thing-operator" / "files"


class Prometheus:
    """A Prometheus that scrapes one operator twice a second, as the chart's monitors have it done."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[Any]:
        """The series that an expression has now."""
        result: list[Any] = self._get("query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The value of an expression that has one series, or None."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def alerts(self) -> dict[str, str]:
        """The health of each alert that is loaded."""
        groups = self._get("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://{LOOPBACK}:{self._port}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, what: str, **arguments: str) -> Any:
        url = f"http://{LOOPBACK}:{self._port}/api/v1/{what}?{urlencode(arguments)}"
        with urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]


@pytest.fixture
def scraper(prometheus: dict[str, Path], workspace: Workspace, tmp_path: Path) -> Iterator[Prometheus]:
    (port,) = reserved_ports(1)
    target = {"targets": [f"{LOOPBACK}:{workspace.operator.metrics_port}"]}
    target["labels"] = {"namespace": "ops"}  # type: ignore[assignment]
    scrape = {"job_name": "thing-operator", "honor_labels": True, "static_configs": [target]}
    fast = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config = {"global": fast, "rule_files": [str(FILES / "rules.yaml")], "scrape_configs": [scrape]}
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [
        str(prometheus["prometheus"]),
        f"--config.file={file}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    log = tmp_path / "prometheus.log"
    with ChildProcess(command, name="prometheus", log=log):
        found = Prometheus(port)
        eventually(found.is_ready, "Prometheus is ready")
        yield found
    print(log.read_text())


def test_what_runs_is_on_the_dashboards_and_the_alerts_are_loaded(
    scraper: Prometheus, workspace: Workspace, things: Things
) -> None:
    good, bad = things(2)
    workspace.store_credentials(good)
    workspace.apply_thing(good, {"desired": {"a": 1}})
    workspace.apply_thing(bad)
    workspace.wait_for(good.name, "Ready")
    workspace.wait_for(bad.name, "Ready", "False", reason="SecretNotFound")
    fleet = json.loads((FILES / "dashboards" / "fleet.json").read_text(encoding="utf-8"))
    panels = {
        panel["title"]: panel["targets"][0]["expr"].replace("$job", "thing-operator")
        for panel in fleet["panels"]
        if "targets" in panel
    }
    eventually(lambda: scraper.value(panels["Things"]) == 2, "both Things are counted")
    assert scraper.value(panels["Ready"]) == 0.5
    [reason] = eventually(lambda: scraper.query(panels["Not Ready, by reason"]), "the reason is shown")
    assert reason["metric"] == {"reason": "SecretNotFound"}
    rules = yaml.safe_load((FILES / "rules.yaml").read_text(encoding="utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    eventually(lambda: scraper.alerts() == dict.fromkeys(names, "ok"), "every alert is evaluated")
    assert scraper.query('ALERTS{alertstate="firing"}') == []


def test_an_operator_that_is_not_there_is_noticed(scraper: Prometheus, workspace: Workspace) -> None:
    eventually(lambda: scraper.value("count(thing_operator_build_info)") == 1, "it is scraped")
    workspace.operator.stop()
    eventually(lambda: scraper.query('ALERTS{alertname="ThingOperatorAbsent"}'), "the alert is pending")
