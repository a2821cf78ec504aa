"""Putting the settings together from command line, environment and file, with errors a person can act on."""

import json
import os
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_settings import EnvSettingsSource

from thing_operator.config.settings import ENV_PREFIX, SessionSettings, Settings
from thing_operator.config.suggestions import did_you_mean, setting_names, variable_of
from thing_operator.core.error_words import in_words, words_of_flaw
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import CaBundle, CredentialsError, read_authorities
from thing_operator.proxy.route import ProxyAddress, ProxyFailedError, ProxyRoute

_OUR_WORDS = {"model_type": "settings below it are expected"}
"""By pydantic's type of an error: where an object is another thing here."""

_WRONG = "wrong settings:\n  "

_USER = re.compile(r"//\S*@")
"""Of a URL: it may have a password."""

# Not a setting of the operator: where the local parts keep what they built.
_OTHER_VARIABLES = frozenset({f"{ENV_PREFIX}CACHE_DIR"})


class SettingsError(ToolError):
    """A setting is wrong; the message names the key, the value and what is allowed."""

    reason = ToolReason.INVALID_SETTINGS


class _SettingsLoader(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, as YAML does: by PyYAML the last one counts, without a word."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in first:
                problem = f"the key {key.value} is there twice, first in line {first[key.value]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            first[key.value] = key.start_mark.line + 1
        return node


def load_settings(*, file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force: ``overrides`` (nested, camelCase) over environment over ``file`` over defaults.

    Raises SettingsError, which names every wrong key with its value and what is allowed.
    """
    values = _overlay(_read_file(file) if file else {}, _read_environment())
    try:
        settings = Settings(**_overlay(values, overrides or {}))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    _check_listeners(settings)
    return settings


def read_ca_file(file: Path, *, name: str = "endpoint.caFile") -> CaBundle:
    """The certificates of a file; ``name`` is what the user calls it. Raises SettingsError."""
    try:
        return CaBundle.of(read_authorities(file.read_bytes()))
    except OSError as error:
        raise SettingsError(f"{name} {file} cannot be read: {in_words(error)}") from None
    except CredentialsError as error:
        raise SettingsError(f"{name} {file} cannot be used: {error.message}") from None


def read_proxy(session: SessionSettings) -> ProxyRoute | None:
    """By which proxy sessions connect, None without one. Raises SettingsError when its password cannot be read."""
    if session.proxy is None:
        return None
    route = ProxyRoute(
        ProxyAddress.parse(session.proxy),
        password_file=session.proxy_password_file,
        excluded=session.no_proxy,
    )
    try:
        route.password()
    except ProxyFailedError as error:
        raise SettingsError(f"session.proxyPasswordFile: {error.message}") from None
    return route


def _check_listeners(settings: Settings) -> None:
    listeners = (("health", settings.health), ("metrics", settings.metrics), ("bridge", settings.bridge))
    lines = [
        f"{later}.port: {of_later.port} is not allowed: {first}.port is the same, and each needs a port of its own"
        for (first, of_first), (later, of_later) in combinations(listeners, 2)
        if of_first.collides_with(of_later)
    ]
    if lines:
        raise SettingsError(_WRONG + "\n  ".join(lines))


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), Loader=_SettingsLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise SettingsError(f"the configuration file {file} cannot be read: {in_words(error)}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise SettingsError(
            f"the configuration file {file} is not valid YAML: {error.problem}{where}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"the configuration file {file} is no text in UTF-8") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"the configuration file {file} must hold a mapping of settings")
    return values


def _read_environment() -> dict[str, Any]:
    values = EnvSettingsSource(Settings)()
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in os.environ:
        top = name.upper().split("__", maxsplit=1)[0]
        if top.startswith(ENV_PREFIX) and top not in known | _OTHER_VARIABLES:
            raise SettingsError(f"the environment variable {name} is no setting{_meant(name, known)}")
    return _camel_keys(values)


def _meant(variable: str, tops: set[str]) -> str:
    meant = did_you_mean(variable.upper(), map(variable_of, setting_names()))
    return meant or f"; they begin with {', '.join(sorted(tops))}"


def _camel_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        to_camel(key): _camel_keys(value) if isinstance(value, dict) else value
        for key, value in values.items()
    }


def _overlay(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _overlay(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        if problem["type"] == "extra_forbidden":
            key = ".".join(str(part) for part in problem["loc"])
            lines.append(f"{key}: there is no such setting{did_you_mean(key, setting_names())}")
        else:
            # Of a default, pydantic has our name.
            key = ".".join(to_camel(str(part)) for part in problem["loc"])
            message = _OUR_WORDS.get(problem["type"]) or words_of_flaw(problem)
            given = problem["input"]
            lines.append(f"{key}: {'' if given is None else f'{_shown(given)} is not allowed: '}{message}")
    return _WRONG + "\n  ".join(lines)


def _shown(value: object) -> str:
    """As a person has written it, in YAML's words and not in Python's; without what may be a password."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return _USER.sub("//***@", text)
