"""Argo CD's health scripts, run as Argo CD runs them: Lua 5.1, few libraries."""

from pathlib import Path
from typing import Any

import yaml
from lupa.lua51 import LuaRuntime

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy" / "argocd" / "resource_customizations" / "thing-operator.io"

# What Argo CD gives a script: base, table, string and math, without what reads files or loads code.
TAKEN_AWAY = ("os", "io", "package", "debug", "require", "dofile", "loadfile", "load", "loadstring", "python")


def health_of(kind: str, body: Json) -> Json:
    """What the script of a kind says of an object."""
    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    variables = lua.globals()
    for name in TAKEN_AWAY:
        variables[name] = None
    variables.obj = in_lua(lua, body)
    return dict(lua.execute((SCRIPTS / kind / "health.lua").read_text(encoding="utf-8")).items())


def in_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: in_lua(lua, child) for key, child in value.items()})
    if isinstance(value, list):
        return lua.table_from([in_lua(lua, child) for child in value])
    return value


class TextTimes(yaml.SafeLoader):
    """Leaves timestamps text, as JSON does."""


TextTimes.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
