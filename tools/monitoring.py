"""Write (or, with ``--check``, compare) what watches the operator: Grafana's dashboards and the page of the alerts.

- ``charts/thing-operator/files/dashboards/*.json``: made of ``tools/dashboards.yaml``;
- ``docs/operations/alerts.md``: the alerts of ``charts/thing-operator/files/rules.yaml``.

Grafana's own SDK was not taken: its versions are of one release of Grafana each, and what is the same in every panel
is less than its calls.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "charts" / "thing-operator" / "files"
RULES = FILES / "rules.yaml"
PAGE = ROOT / "docs" / "operations" / "alerts.md"

Json = dict[str, Any]

_WIDTH = 110
_COLUMNS = 24
_HEIGHTS = {"stat": 4, "timeseries": 8}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEAD = """<!-- Generated from charts/thing-operator/files/rules.yaml by `make crds`; do not edit. -->

# Alerts

`prometheusRule.enabled` of the chart installs them for the Prometheus operator; elsewhere
`charts/thing-operator/files/rules.yaml` is a file for `rule_files`. `prometheusRule.runbookUrl` is where you serve this
page: each alert links its section. What the metrics are is in the [reference](../reference/metrics.md);
`grafanaDashboards.enabled` installs dashboards of the fleet, the endpoint, the operator, its shards, and of values.

"""


def rules() -> Iterator[Json]:
    """Every alert of the rules, in their order."""
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def alerts_page() -> str:
    """A table of all alerts, and a section for each."""
    lines = [_HEAD + "| alert | severity | what is the case |\n| --- | --- | --- |"]
    for rule in rules():
        name = rule["alert"]
        lines.append(f"| [{name}](#{name.lower()}) | {rule['labels']['severity']} | {_summary(rule)} |")
    lines.append("")
    for rule in rules():
        notes = rule["annotations"]
        waits = f" for {rule['for']}" if "for" in rule else ""
        lines += [
            f"## {rule['alert']}\n",
            f"{_wrapped(notes['description'])}\n",
            f"{_wrapped('Do: ' + notes['remedy'])}\n",
            f"It fires when this holds{waits}:\n",
            *(f"    {line}" for line in textwrap.wrap(rule["expr"], _WIDTH - 4, break_long_words=False)),
            "",
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _summary(rule: Json) -> str:
    """The summary without the values of one alert, whose templates a page cannot fill in."""
    text = re.sub(r"\{\{ \$value[^}]*\}\}", "N", rule["annotations"]["summary"])
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"(\1)", text)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def dashboards() -> dict[str, Json]:
    """Grafana's model of each dashboard, by its short name."""
    described = yaml.safe_load(Path(__file__).with_name("dashboards.yaml").read_text(encoding="utf-8"))
    return {name: _dashboard(name, each) for name, each in described.items()}


def _dashboard(name: str, described: Json) -> Json:
    panels: list[Json] = []
    line = 0
    for row in described["rows"]:
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": line}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row["title"],
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        line += 1
        column = height = 0
        for panel in row["panels"]:
            kind, width = panel.get("type", "timeseries"), panel.get("width", 8)
            if column + width > _COLUMNS:
                line, column = line + height, 0
            height = _HEIGHTS[kind]
            place = {"h": height, "w": width, "x": column, "y": line}
            panels.append(_panel(panel, kind) | {"id": len(panels) + 1, "gridPos": place})
            column += width
        line += height
    return {
        "uid": f"thing-operator-{name}",
        "title": f"thing-operator / {described['title']}",
        "description": described["description"],
        "tags": ["thing-operator"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), *(_variable(each) for each in described["variables"])]},
        "links": [_link()],
        "panels": panels,
    }


def _panel(panel: Json, kind: str) -> Json:
    # A temperature may be below zero; whatever the operator counts is not.
    defaults: Json = {"unit": panel.get("unit", "short")} | ({} if panel.get("signed") else {"min": 0})
    if kind == "timeseries":
        stacking = {"mode": "normal" if panel.get("stack") else "none"}
        defaults["custom"] = {
            "fillOpacity": 20 if panel.get("stack") else 0,
            "stacking": stacking,
            "showPoints": "never",
        }
        options: Json = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        }
    else:
        steps = [{"color": "green", "value": None}]
        if "bad" in panel:
            steps.append({"color": "red", "value": panel["bad"]})
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}}
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    targets = [
        {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
        for number, (legend, query) in enumerate(panel["queries"].items())
    ]
    return {
        "type": kind,
        "title": panel["title"],
        "description": panel.get("description", ""),
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    }


def _datasource() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Json) -> Json:
    """A choice of values of a label; all of them at first."""
    return {
        "name": variable["name"],
        "label": variable["name"],
        "type": "query",
        "datasource": _SOURCE,
        "query": variable["query"],
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _link() -> Json:
    return {
        "title": "thing-operator",
        "type": "dashboards",
        "tags": ["thing-operator"],
        "asDropdown": True,
        "keepTime": True,
    }


def generated() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    models = {
        FILES / "dashboards" / f"{name}.json": json.dumps(model, indent=1) + "\n"
        for name, model in dashboards().items()
    }
    return {PAGE: alerts_page(), **models}


def main() -> None:
    """Write the files, or end with status 1 if one is not what it is made of."""
    stale = [
        path
        for path, text in generated().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if sys.argv[1:] == ["--check"] and stale:
        sys.exit(
            f"{', '.join(str(path.relative_to(ROOT)) for path in stale)}: not what it is made of: run make crds"
        )
    for path in stale:
        path.write_text(generated()[path], encoding="utf-8")


if __name__ == "__main__":
    main()
