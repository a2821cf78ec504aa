"""Write (or, with ``--check``, compare) the generated parts of the Helm chart.

- ``templates/crds/``: the CRDs of the pydantic models, behind ``crds.enabled``;
- ``values.schema.json``: ``config`` after the operator's settings, descriptions after the comments in values.yaml;
- ``README.md``: the tables of values and settings;
- ``deploy/base/crds.yaml``: the CRDs for kustomize;
- ``deploy/argocd/resource_customizations``: ThingBatch's health script, which is Thing's;
- ``deploy/argocd/argocd-cm.yaml``: the health scripts as a patch of Argo CD's ConfigMap.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from thing_operator.api.crds import all_crds, to_yaml
from thing_operator.config import Settings

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "thing-operator"

Json = dict[str, Any]

# Values that become a part of a manifest as they are, so that a key may be missing.
_PARTS = re.compile(r"resources|podSecurityContext|securityContext|probes\.\w+")

_KEY = re.compile(r"^( *)([A-Za-z]+):")
_COMMENT = re.compile(r"^ *# (-- )?(.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: its dotted path, what it is by default, and the comment above it."""

    path: str
    default: Any
    description: str


def documented_values() -> list[Value]:
    """What values.yaml says, in its order."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    defaults = yaml.safe_load(text)
    return [Value(".".join(path), _at(defaults, path), description) for path, description in _commented(text)]


def _commented(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if key := _KEY.match(line):
            path[len(key[1]) // 2 :] = [key[2]]
            if comment:
                yield tuple(path), " ".join(comment)
            comment = []
        elif (found := _COMMENT.match(line)) and (found[1] or comment):
            comment = [*([] if found[1] else comment), found[2]]
        else:
            comment = []


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key]
    return values


def settings_schema() -> Json:
    """The schema of the value ``config``: every setting but the namespaces, which RBAC has to know, too."""
    model = Settings.model_json_schema(by_alias=True)
    schema: Json = _plain(model, model.get("$defs", {}))
    del schema["properties"]["namespaces"]
    return {key: schema[key] for key in ("type", "additionalProperties", "properties")}


def _plain(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Without references, titles and what only Python knows. No null: a setting that is not given is absent."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]] | {k: v for k, v in node.items() if k != "$ref"}
    if "anyOf" in node:
        [kind] = [option for option in node["anyOf"] if option.get("type") != "null"]
        node = kind | {key: value for key, value in node.items() if key != "anyOf"}
    dropped = {"title", "default", "format", "$defs"}
    return {
        key: {name: _plain(child, definitions) for name, child in value.items()}
        if key == "properties"
        else _plain(value, definitions)
        for key, value in node.items()
        if key not in dropped
    }


def chart_schema() -> Json:
    """values.schema.json with its generated parts renewed.

    What has a default is required, since only a null takes it away: that is refused, where a template would fail or
    take it for false.
    """
    schema: Json = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    schema["properties"]["config"] = settings_schema()
    required: dict[str, list[str]] = {}
    for value in documented_values():
        parents, _, node = value.path.rpartition(".")
        place = schema
        for parent in parents.split(".") if parents else ():
            place = place["properties"][parent]
        known = place["properties"][node]
        place["properties"][node] = {"description": value.description} | {
            key: child for key, child in known.items() if key != "description"
        }
        needed = [node] if not _PARTS.fullmatch(value.path) else []
        place["required"] = required.setdefault(parents, [])
        required[parents] += needed
        if parents and parents not in required[""]:
            required[""].append(parents)
    return schema


def crd_template(crd: Json) -> str:
    """A CRD as a template: chosen by a value, and kept on uninstall."""
    text = to_yaml(crd)
    if "{{" in text:
        raise ValueError(f"{crd['metadata']['name']}: a description holds braces that Helm would read")
    name = f"  name: {crd['metadata']['name']}\n"
    before, after = text.split(name, maxsplit=1)
    metadata = (
        '  {{- $keep := ternary (dict "helm.sh/resource-policy" "keep") dict .Values.crds.keep }}\n'
        '  {{- include "thing-operator.metadata" (list . dict $keep) | nindent 2 }}\n'
    )
    return "{{- if .Values.crds.enabled }}\n" + before + name + metadata + after + "{{- end }}\n"


def readme() -> str:
    """README.md with its tables renewed."""
    values = [(f"`{v.path}`", _code(v.default), v.description) for v in documented_values()]
    text = (CHART / "README.md").read_text(encoding="utf-8")
    text = _between(text, "values", _table(("value", "default", "meaning"), values))
    return _between(text, "settings", _table(("setting", "default", "meaning"), _settings_rows()))


def _settings_rows() -> list[tuple[str, str, str]]:
    defaults = Settings().model_dump(mode="json", by_alias=True)
    rows = []
    for name, node in settings_schema()["properties"].items():
        for key, child in node.get("properties", {"": node}).items():
            default = defaults[name][key] if key else defaults[name]
            path = f"{name}.{key}" if key else name
            rows.append((f"`{path}`", _code(default), child.get("description", "")))
    return rows


def _code(value: Any) -> str:
    return "" if value in ("", None) else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: begin (make chart) -->\n", f"<!-- {name}: end -->"
    head, rest = text.split(begin)
    return head + begin + content + rest[rest.index(end) :]


def argocd_scripts() -> dict[Path, str]:
    """The health script of each kind: Thing's serves both, and Argo CD wants a file for each."""
    group = ROOT / "deploy" / "argocd" / "resource_customizations" / "thing-operator.io"
    source = (group / "Thing" / "health.lua").read_text(encoding="utf-8")
    return {group / crd["spec"]["names"]["kind"] / "health.lua": source for crd in all_crds().values()}


def argocd_config_map() -> str:
    """A patch of Argo CD's ConfigMap with the health scripts."""
    text = "# Made from resource_customizations/ by `make chart`; do not edit.\ndata:\n"
    for path, script in sorted(argocd_scripts().items()):
        text += f"  resource.customizations.health.thing-operator.io_{path.parent.name}: |\n"
        text += "".join(f"    {line}".rstrip() + "\n" for line in script.splitlines())
    return text


def generated() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    crds = {CHART / "templates" / "crds" / name: crd_template(crd) for name, crd in all_crds().items()}
    schema = json.dumps(chart_schema(), indent=2, ensure_ascii=False) + "\n"
    for_kustomize = "---\n".join(to_yaml(crd) for crd in all_crds().values())
    return {
        **crds,
        **argocd_scripts(),
        CHART / "values.schema.json": schema,
        CHART / "README.md": readme(),
        ROOT / "deploy" / "base" / "crds.yaml": for_kustomize,
        ROOT / "deploy" / "argocd" / "argocd-cm.yaml": argocd_config_map(),
    }


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    stale = [
        path
        for path, text in generated().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if check and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"{names}: not what it is made of says: run make chart")
    for path in stale:
        path.write_text(generated()[path], encoding="utf-8")


if __name__ == "__main__":
    main()
