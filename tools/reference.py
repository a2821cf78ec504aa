"""Write (or, with ``--check``, compare) what is generated in docs: kinds, settings, metrics, reasons, the bridge."""

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from thing_operator.api import names
from thing_operator.api.crds import all_crds
from thing_operator.bridge.openapi import document
from thing_operator.config import Settings
from thing_operator.core.reason_table import Carrier, Explanation, explanations
from thing_operator.core.reasons import EventType, Reason
from thing_operator.observability.definitions import METRIC_LABELS
from thing_operator.observability.metrics import Metrics

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "reference"

Json = dict[str, Any]

_HEADER = "<!-- Generated from operator/thing_operator/api by `make crds`; do not edit. -->\n"
_SEE_ALSO = {
    names.THING_KIND: "[Tasks](../tasks/things.md), [what a virtual thing does itself](../tasks/devices.md), "
    "[conditions and reasons](conditions.md), [troubleshooting](../troubleshooting.md).",
    names.BATCH_KIND: "[Thing](thing.md), [conditions and reasons](conditions.md).",
}
_ELSEWHERE = {(names.BATCH_KIND, "things.template.spec"): "the fields are those of a [Thing](thing.md#spec)"}
"""What another page describes already: (kind, field)."""

_METRICS_HEAD = """<!-- Generated from thing_operator/observability/definitions.py by `make crds`; do not edit. -->

# Metrics

On `metrics.port` (9090) at `/metrics`. None has a label per Thing unless `metrics.perThing` asks for it,
which makes forty thousand series of ten thousand Things: what one Thing is about is in its status and Events.
What [`spec.mirror.metrics`](../tasks/things.md#numbers-as-metrics) of Things asks for is beside them, as
`thing_value_<name>_<unit>` with the labels `namespace` and `thing`.
`broker` is host and port of an endpoint: the first 20 that a replica meets and the operator's own, all others are
`other`.
Beside these there are `process_*` and `python_*`. What to alert on is in
[alerts](../operations/alerts.md).

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""

_SETTINGS_HEAD = """<!-- Generated from operator/thing_operator/config/settings.py by `make crds`; do not edit. -->

# Settings

Sources, strongest first:

1. the command line: `thing-operator run --namespace` and `--all-namespaces` set `namespaces`;
2. the environment: `THING_OPERATOR_` and the name in upper snake case, with `__` for each dot, so that
   `endpoint.caFile` is `THING_OPERATOR_ENDPOINT__CA_FILE`; a list is written `a,b`;
3. a YAML file, `thing-operator run --config FILE`: the keys below, nested at their dots
   (`endpoint: {host: ...}`). In the Helm chart it is the value `config`;
4. the default.

Durations are `500ms`, `30s`, `5m` or `1h30m`, each number with its unit, and at most `24h`; sizes are `8KiB` or
a number of bytes. A wrong value, an unknown key or an unknown `THING_OPERATOR_` variable ends `run` at its
start, with the key, the value and what is allowed.
"""

_WIDTH = 110
"""Of generated prose; tables are as wide as they are."""

_READABLE = 50
"""From this length on a pattern says nothing to a person; those of host and object names are. Nor is one with
alternatives shown, whose bars not every reader of Markdown takes in a table: descriptions of durations and JSON
Pointers say more.
"""


def pages() -> dict[Path, str]:
    """Every page and what it should hold."""
    found = (crd["spec"] for crd in all_crds().values())
    fields = {FOLDER / f"{spec['names']['singular']}.md": _page(spec) for spec in found}
    return {
        **fields,
        FOLDER / "metrics.md": _metrics_page(),
        FOLDER / "bridge-openapi.json": json.dumps(document(), indent=2) + "\n",
        FOLDER / "settings.md": _settings_page(),
        FOLDER / "conditions.md": _filled_in(FOLDER / "conditions.md", _reason_tables()),
        DOCS / "troubleshooting.md": _filled_in(
            DOCS / "troubleshooting.md", {"by reason": _by_reason(explanations())}
        ),
    }


def _filled_in(page: Path, parts: Mapping[str, str]) -> str:
    """A page written by hand with its generated parts anew, each between two comments that name it."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = (
            f"<!-- {name}: generated from reasons.toml by `make crds`; do not edit -->\n",
            (f"<!-- {name}: end -->\n"),
        )
        if text.count(begin) != 1 or text.count(end) != 1:
            sys.exit(f"{page.name} lacks the lines {begin}{end}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"
    return text


def _reason_tables() -> dict[str, str]:
    tables = {
        f"reasons of a {kind}": _reason_table(row for row in explanations() if kind in row.carriers)
        for kind in (Carrier.THING, Carrier.THING_BATCH)
    }
    only_events = _reason_table(row for row in explanations() if Carrier.EVENT in row.carriers)
    normal = ", ".join(f"`{reason}`" for reason in Reason if reason.event_type is EventType.NORMAL)
    types = _wrapped(f"Normal are {normal}; every other reason is a Warning.")
    return tables | {"events": f"{only_events}\n{types}\n"}


def _reason_table(rows: Iterable[Explanation]) -> str:
    lines = ["| reason | cause | what to do |", "| --- | --- | --- |"]
    for row in rows:
        name = f"`{row.reason}`"
        if row.remedy:
            name = f"[{name}](../troubleshooting.md#{row.reason.lower()})"
        cells = (name, *(_cell(_from_reference(text)) for text in (row.cause, row.remedy or "")))
        lines.append(f"| {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


def _from_reference(text: str) -> str:
    """Links that are relative to docs, made relative to docs/reference."""
    return re.sub(r"\]\((?!https?:)", "](../", text)


def _by_reason(rows: Iterable[Explanation]) -> str:
    sections = []
    for topic, of_topic in groupby(rows, key=lambda row: row.topic):
        sections.append(f"## {topic}\n")
        for row in of_topic:
            if row.remedy is None:
                sections.append(_bullet(f"`{row.reason}`: {row.cause}"))
                continue
            if sections[-1].startswith("- "):
                sections[-1] += "\n"
            points = (("Symptom", row.symptom), ("Cause", row.cause), ("Do", row.remedy))
            bullets = "\n".join(_bullet(f"{name}: {text}") for name, text in points)
            sections.append(f"### `{row.reason}`\n\n{bullets}\n")
        sections[-1] = sections[-1].rstrip("\n") + "\n"
    return "\n".join(sections)


def _bullet(text: str) -> str:
    return _wrapped(f"- {text}", indent="  ")


def _wrapped(text: str, *, indent: str = "") -> str:
    """Prose in lines that a diff can show; ``indent`` is that of all lines but the first."""
    return textwrap.fill(
        text, width=_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _settings_page() -> str:
    """Groups in the order of the model; settings that belong to no group come first."""
    loose = {name: field for name, field in Settings.model_fields.items() if not _is_group(field)}
    lines = [_SETTINGS_HEAD, "## General\n", *_settings_table(Settings(), loose)]
    for name, field in Settings.model_fields.items():
        if _is_group(field):
            group = getattr(Settings(), name)
            lines += [f"## {field.alias}\n", f"{(inspect.getdoc(type(group)) or '').replace('``', '`')}\n"]
            lines += _settings_table(group, type(group).model_fields, f"{field.alias}.")
    return "\n".join(lines)


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _settings_table(values: BaseModel, fields: dict[str, FieldInfo], prefix: str = "") -> Iterator[str]:
    defaults = values.model_dump(mode="json", by_alias=True)
    yield "| setting | default | meaning |\n| --- | --- | --- |"
    for name, field in fields.items():
        default = defaults[field.alias or name]
        if isinstance(default, float):
            default = f"{default:g}"
        shown = default if isinstance(default, str) else json.dumps(default)
        meaning = "; ".join(filter(None, [field.description, _choices(field)]))
        value = "" if default is None else f"`{shown}`"
        yield f"| `{prefix}{field.alias}` | {value} | {_cell(meaning)} |"
    yield ""


def _choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is not Literal:
        return ""
    return "one of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation))


def _metrics_page() -> str:
    rows = []
    for family in Metrics(version="").registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("thing_operator_"):
            labels = ", ".join(f"`{label}`" for label in METRIC_LABELS.get(name, ()))
            kind = "gauge" if family.type == "info" else family.type
            suffix = "_info" if family.type == "info" else ""
            rows.append(f"| `{name}{suffix}` | {kind} | {labels} | {family.documentation} |")
    return _METRICS_HEAD + "\n".join(rows) + "\n"


def _page(crd: Json) -> str:
    kind = crd["names"]["kind"]
    version = crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    fields = schema["properties"]
    lines = [
        _HEADER,
        f"# {kind}\n",
        f"{_wrapped(schema['description'])}\n",
        f"`{crd['group']}/{version['name']}`, namespaced, `kubectl get {crd['names']['shortNames'][0]}`.\n",
        f"{_wrapped(_SEE_ALSO[kind])}\n",
        "## spec\n",
        *_table(kind, fields["spec"]),
        *_rule_list([*_rules(schema), *_rules(fields["spec"], "spec"), *_rules_below(kind, fields["spec"])]),
        "## status\n",
        "Written by the operator only.\n",
        *_table(kind, fields["status"]),
        "## Columns of `kubectl get`\n",
        "| column | field | |\n| --- | --- | --- |",
        *(_column(column) for column in version["additionalPrinterColumns"]),
    ]
    return "\n".join(lines) + "\n"


def _table(kind: str, section: Json) -> Iterator[str]:
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for path, node, required in _fields(section, kind):
        description = node.get("description", "")
        meaning = [description, *(limit for limit in _limits(node) if not _says(description, limit))]
        if (kind, path) in _ELSEWHERE:
            meaning.append(_ELSEWHERE[kind, path])
        if required:
            meaning.append("required")
        yield f"| `{path}` | {_type(node)} | {_cell('; '.join(text.rstrip('.') for text in meaning if text))} |"
    yield ""


def _rule_list(rules: list[str]) -> Iterator[str]:
    if rules:
        yield "### Rules\n"
        yield from rules
        yield ""


def _rules_below(kind: str, section: Json) -> Iterator[str]:
    for path, node, _ in _fields(section, kind):
        yield from _rules(node, path)


def _fields(node: Json, kind: str, prefix: str = "") -> Iterator[tuple[str, Json, bool]]:
    """Every field below: its path (``[]`` for the elements of a list), its schema, whether it must be given."""
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, child, name in node.get("required", ())
        if (kind, path) in _ELSEWHERE:
            continue
        yield from _fields(child, kind, f"{path}.")
        yield from _fields(child.get("items", {}), kind, f"{path}[].")


def _type(node: Json) -> str:
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return "any JSON object" if node.get("type") == "object" else "any JSON"
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    return "time" if node.get("format") == "date-time" else str(node.get("type", "any"))


def _limits(node: Json) -> Iterator[str]:
    if "enum" in node:
        yield "one of " + ", ".join(f"`{value}`" for value in node["enum"])
    if len(node.get("pattern", "")) in range(1, _READABLE) and "|" not in node["pattern"]:
        yield f"pattern `{node['pattern']}`"
    for below, above, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if below in node and above in node:
            yield f"{node[below]} to {node[above]}{unit}"
        elif below in node:
            yield f"at least {node[below]}{unit}"
        elif above in node:
            yield f"at most {node[above]}{unit}"


def _says(description: str, limit: str) -> bool:
    """Whether the description has the limit already, since ``kubectl explain`` shows nothing else."""
    if limit.startswith("one of"):
        return all(value in description for value in re.findall(r"`(\w+)`", limit))
    return limit.removesuffix(" entries").removesuffix(" characters").lower() in description.lower()


def _rules(node: Json, path: str = "") -> Iterator[str]:
    where = f"`{path}`: " if path else ""
    for rule in node.get("x-kubernetes-validations", ()):
        yield f"- {where}{rule['message']}"


def _column(column: Json) -> str:
    wide = "with `-o wide`" if column.get("priority") else ""
    return f"| {column['name']} | `{_cell(column['jsonPath'])}` | {wide} |"


def _cell(text: str) -> str:
    """Text that neither ends its cell nor reads as markup."""
    return text.replace("|", r"\|").replace("<", r"\<")


def main() -> None:
    """Write the pages, or end with status 1 if one is not what the CRDs say."""
    expected = pages()
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, text in expected.items() if not _holds(path, text)]
        if stale:
            sys.exit(f"not what the models say: {', '.join(stale)}: run make crds")
        return
    for path, text in expected.items():
        path.write_text(text, encoding="utf-8")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    main()
