"""Alerts and dashboards: Prometheus takes them, what they ask for is there, and each alert fires when it should."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.matrix import MONITORED
from tests.chart.rendering import CHART, ROOT, Helm, of_kind

from thing_operator.observability.definitions import METRIC_LABELS
from thing_operator.observability.metrics import Metrics

FILES = CHART / "files"
RULES = FILES / "rules.yaml"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
TARGET = 'namespace="ops", job="thing-operator", instance="{pod}:9090", pod="{pod}"'
"""The labels that Prometheus gives to all that it scrapes of a pod."""
FROM_TARGETS = {"namespace", "job", "instance", "pod", "le", "__name__"}


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation that let an alert fire after some time, and some that do not."""

    fires: dict[str, str]
    quiet: dict[str, str]
    after: str = "20m"
    pods: tuple[str, ...] = field(default=("a",))


def things(condition: str, reason: str, status: str) -> str:
    return f'thing_operator_things{{condition="{condition}", reason="{reason}", status="{status}"}}'


STALLED = things("Stalled", "Expired", "True")
DOWN, UP = things("Connected", "ConnectionLost", "False"), things("Connected", "Connected", "True")
ASLEEP = things("Connected", "Suspended", "False")
BATCH = 'thing_operator_thingbatches{condition="Stalled", reason="UrlExpired", status="True"}'
ANSWERS = 'thing_operator_shadow_requests_total{{operation="update", result="{}"}}'
LATE = 'thing_operator_event_loop_lag_seconds_bucket{{le="{}"}}'
BRIDGE = 'thing_operator_bridge_requests_total{{operation="report", result="{}"}}'
HELD, TOTAL = 'thing_operator_shards{state="held"}', "thing_operator_shards_total"
RENEWED = "thing_operator_lease_renewed_seconds"
FENCED = 'thing_operator_fencings_total{by="us"}'
MOVED = 'thing_operator_moves_total{direction="in", why="asked"}'
REPAIRED = 'thing_operator_events_total{reason="DriftRepaired"}'

ON_REQUEST = {"thing_operator_thing_condition"}
"""Only with metrics.perThing."""

CASES = {
    "ThingsStalled": Case({STALLED: "2x30"}, {STALLED: "0 0 2x10 0x20"}),
    "ThingBatchesStalled": Case({BATCH: "1x30"}, {BATCH: "0x30"}),
    "ThingSessionsDown": Case({DOWN: "10x30", UP: "90x30"}, {DOWN: "4x30", ASLEEP: "50x30", UP: "96x30"}),
    "ThingCertificatesEnding": Case(
        {'thing_operator_certificates_ending{days="30"}': "1x90"},
        {'thing_operator_certificates_ending{days="90"}': "1x90"},
        after="70m",
    ),
    "ThingShadowRequestsFail": Case(
        {ANSWERS.format("429"): "0+120x30"},
        {ANSWERS.format("accepted"): "0+600x30", ANSWERS.format("404"): "0+600x30"},
    ),
    "ThingTwoEnforcers": Case({REPAIRED: "0+60x60"}, {REPAIRED: "0+1x60"}, after="50m"),
    "ThingValuesLeftOut": Case(
        {'thing_operator_values{state="left_out"}': "3x30"},
        {'thing_operator_values{state="shown"}': "9x30", 'thing_operator_values{state="left_out"}': "0x30"},
    ),
    "ThingOperatorAbsent": Case({}, {'thing_operator_build_info{version="1"}': "1x30"}),
    "ThingStatusLags": Case(
        {'thing_operator_queue_oldest_seconds{queue="things"}': "61x30"},
        {
            'thing_operator_queue_oldest_seconds{queue="things"}': "5x30",
            "thing_operator_status_writes_pending": "900x30",
        },
    ),
    "ThingStatusNotTaken": Case(
        {'thing_operator_status_writes_total{result="failed"}': "0+1x30"},
        {'thing_operator_status_writes_total{result="failed"}': "7x30"},
    ),
    "ThingApiServerSilent": Case(
        {"thing_operator_api_server_silent_seconds": "70x30"},
        {"thing_operator_api_server_silent_seconds": "3 70 3 70 3x30"},
    ),
    "ThingMemoryBudgetSpent": Case(
        {
            'thing_operator_memory_held_bytes{kind="spec"}': "95x30",
            "thing_operator_memory_budget_bytes": "100x30",
        },
        {
            'thing_operator_memory_held_bytes{kind="spec"}': "50x30",
            "thing_operator_memory_budget_bytes": "100x30",
        },
    ),
    "ThingDescriptorsRunOut": Case(
        {"process_open_fds": "95x30", "process_max_fds": "100x30"},
        {"process_open_fds": "50x30", "process_max_fds": "100x30"},
    ),
    "ThingEventLoopLate": Case(
        {LATE.format("1"): "0+1x30", LATE.format("5"): "0+100x30", LATE.format("+Inf"): "0+100x30"},
        {LATE.format("0.01"): "0+100x30", LATE.format("5"): "0+100x30", LATE.format("+Inf"): "0+100x30"},
    ),
    "ThingBridgeFails": Case(
        {BRIDGE.format("AccessUnknown"): "0+60x30"},
        {BRIDGE.format("ok"): "0+600x30", BRIDGE.format("Forbidden"): "0+600x30"},
    ),
    "ThingShardsOrphaned": Case({HELD: "100x30", TOTAL: "257x30"}, {HELD: "257x30", TOTAL: "257x30"}),
    "ThingReplicaMissing": Case(
        {"thing_operator_members": "3x20 2x40"},
        {"thing_operator_members": "3x60"},
        after="50m",
        pods=("a", "b"),
    ),
    "ThingLeaseLate": Case({RENEWED: "8x30"}, {RENEWED: "2x30"}),
    "ThingReplicasFenced": Case({FENCED: "0x10 1x20"}, {FENCED: "1x30"}, after="15m"),
    "ThingsMoveAllTheTime": Case(
        {MOVED: "0+20x90", TOTAL: "257x90"}, {MOVED: "0+2x90", TOTAL: "257x90"}, after="80m"
    ),
    "ThingTwoOperators": Case(
        {'thing_operator_leases{state="waiting"}': "1x30"}, {'thing_operator_leases{state="held"}': "1x30"}
    ),
}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """The place and the query of every panel and variable, with values for Grafana's variables."""
    for file in DASHBOARDS:
        model = json.loads(file.read_text(encoding="utf-8"))
        for panel in model["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"].replace("$__rate_interval", "5m")
        for variable in model["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]):
                yield f"{file.stem}: ${variable['name']}", found[1]


QUERIES = {f"alert {rule['alert']}": rule["expr"] for rule in rules()} | dict(panels())


def promtool(prometheus: dict[str, Path], *arguments: str | Path) -> None:
    done = subprocess.run(
        [prometheus["promtool"], *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_finds_no_fault_with_the_rules(prometheus: dict[str, Path]) -> None:
    promtool(prometheus, "check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_each_query_of_a_panel_is_one(prometheus: dict[str, Path], tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(QUERIES.values())]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool(prometheus, "check", "rules", file)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_what_is_asked_for_is_there(query: str) -> None:
    """The metrics, and each label that is chosen or grouped by."""
    process = {sample.name for family in Metrics(version="").registry.collect() for sample in family.samples}
    labels = set()
    for name in set(re.findall(r"\b(?:thing_operator|process|python)_\w+", re.sub(r'"[^"]*"', '""', query))):
        base = re.sub(r"_(bucket|count|sum|info|total)$", "", name)
        known = {name, base} & METRIC_LABELS.keys()
        assert known or name in process, name
        labels |= {label for each in known for label in METRIC_LABELS[each]}
    used = {
        label for inside in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)\s*[=!]", inside)
    }
    used |= {label for inside in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", inside)}
    labels |= {"thing"} if "thing_value_" in query else set()
    assert used - FROM_TARGETS <= labels


def test_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(query for _, query in panels())
    assert [name for name in METRIC_LABELS.keys() - ON_REQUEST if name not in shown] == []


def test_every_alert_has_a_case_and_what_a_person_needs() -> None:
    assert [rule["alert"] for rule in rules()] == list(CASES)
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description", "remedy"}


def test_each_alert_fires_when_it_should_and_only_then(prometheus: dict[str, Path], tmp_path: Path) -> None:
    tests = [
        {
            "name": f"{alert} {'fires' if fires else 'does not'}",
            "interval": "1m",
            "input_series": [
                {"series": _on(pod, series), "values": values}
                for series, values in (case.fires if fires else case.quiet).items()
                for pod in case.pods
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                    "eval_time": case.after,
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        for alert, case in CASES.items()
        for fires in (True, False)
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool(prometheus, "test", "rules", file)


def _on(pod: str, series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f"{name}{{{', '.join(filter(None, (labels, TARGET.format(pod=pod))))}}}"


def test_a_dashboard_names_each_panel_once_and_fits_the_grid() -> None:
    assert [file.stem for file in DASHBOARDS] == ["endpoint", "fleet", "operator", "shards", "values"]
    for file in DASHBOARDS:
        model = json.loads(file.read_text(encoding="utf-8"))
        assert model["uid"] == f"thing-operator-{file.stem}"
        cells: set[tuple[int, int]] = set()
        for panel in model["panels"]:
            place = panel["gridPos"]
            taken = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not taken & cells, panel["title"]
            assert max(x for x, _ in taken) < 24
            cells |= taken
        titles = [panel["title"] for panel in model["panels"]]
        assert len(titles) == len(set(titles))


def test_the_chart_has_them_as_objects(chart: Helm) -> None:
    objects = chart.objects(MONITORED)
    [rule] = of_kind(objects, "PrometheusRule")
    installed = [each for group in rule["spec"]["groups"] for each in group["rules"]]
    assert [each["alert"] for each in installed] == list(CASES)
    for each, source in zip(installed, rules(), strict=True):
        assert each["expr"] == source["expr"]
        assert each["labels"] == source["labels"] | {"team": "cold-chain"}
        assert each["annotations"].items() >= source["annotations"].items()
    maps = [
        each for each in of_kind(objects, "ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]
    ]
    dashboards = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert dashboards == {
        f"thing-operator-{file.name}": json.loads(file.read_text(encoding="utf-8")) for file in DASHBOARDS
    }
    assert of_kind(chart.objects(), "PrometheusRule") == []


def test_each_runbook_is_a_section_of_a_page(chart: Helm) -> None:
    for values in ({}, {"runbookUrl": "https://docs.example/alerts/"}):
        [rule] = of_kind(chart.objects({"prometheusRule": {"enabled": True, **values}}), "PrometheusRule")
        for each in (each for group in rule["spec"]["groups"] for each in group["rules"]):
            page, _, anchor = each["annotations"]["runbook_url"].partition("#")
            assert page == values.get("runbookUrl", "docs/operations/alerts.md")
            text = (ROOT / "docs" / "operations" / "alerts.md").read_text(encoding="utf-8")
            assert f"\n## {each['alert']}\n" in text
            assert anchor == each["alert"].lower()
