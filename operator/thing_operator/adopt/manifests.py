"""Things and Secrets as YAML for files: the same text each time, and the same to every YAML reader. Pure.

Every text that is not one of our own words is in double quotes. YAML 1.1 and 1.2, and the libraries in between, do
not agree on what ``00001721``, ``1e5``, ``0o17``, ``on`` or ``y`` without quotes is.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from thing_operator.adopt.model import AdoptOptions, Body, FoundThing
from thing_operator.api import names
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.core.thing_names import object_name, secret_name
from thing_operator.shadow.planning import DesiredPolicy

SEPARATOR: Final = "---\n"

_OWN_WORDS: Final = frozenset(
    {
        *("apiVersion", "kind", "metadata", "name", "namespace", "annotations", "spec", "stringData", "type"),
        *("thingName", "credentials", "secretName", "desired", "desiredPolicy", "suspend"),
        *(names.API_VERSION, "v1", names.THING_KIND, "Secret", "kubernetes.io/tls", "tls.crt", "tls.key"),
        *(names.THING_NAME_ANNOTATION, *DesiredPolicy),
    }
)
"""What no YAML reader takes for anything but text."""


def thing_manifest(found: FoundThing, *, desired: JsonObject | None, options: AdoptOptions) -> Body:
    """The Thing of one thing: it observes, or, with ``desired``, enforces what is desired already."""
    name = found.thing_name
    spec: Body = {"thingName": name}
    if found.secret_name not in {None, secret_name(name)}:
        spec["credentials"] = {"secretName": found.secret_name}
    if desired is None:
        spec["desiredPolicy"] = DesiredPolicy.OBSERVE.value
    else:
        spec["desiredPolicy"] = DesiredPolicy.MERGE.value
        spec |= {"desired": _in_order(desired)} if desired else {}
    if options.suspend:
        spec["suspend"] = True
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.THING_KIND,
        "metadata": {"name": object_name(name), "namespace": options.namespace},
        "spec": spec,
    }


def secret_manifest(found: FoundThing, *, namespace: str) -> Body:
    """The Secret of one thing that has credentials. It holds the private key."""
    assert found.credentials is not None  # noqa: S101 - the caller has looked
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": secret_name(found.thing_name),
            "namespace": namespace,
            "annotations": {names.THING_NAME_ANNOTATION: found.thing_name},
        },
        "stringData": {
            "tls.crt": found.credentials.certificate_pem.decode(),
            "tls.key": found.credentials.private_key_pem.decode(),
        },
    }


def to_yaml(body: Mapping[str, Any]) -> str:
    """One object as a YAML document, without a separator."""
    return yaml.dump(
        body,
        Dumper=_QuotingDumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=2**31,
    )


def file_name(body: Mapping[str, Any]) -> str:
    """The file of one object: ``thing-00001721.yaml`` for a Thing, ``secret-thing-00001721.yaml`` for a Secret."""
    return f"{body['kind'].lower()}-{body['metadata']['name']}.yaml"


def one_file(bodies: Iterable[Mapping[str, Any]], *, kept: Mapping[str, str]) -> str:
    """All in one file, sorted by name, beside the documents of an earlier one (``kept``, by name)."""
    documents = dict(kept) | {body["metadata"]["name"]: to_yaml(body) for body in bodies}
    return SEPARATOR.join(documents[name] for name in sorted(documents))


def documents_in(text: str) -> dict[str, str]:
    """The documents of a file that :func:`one_file` made, by the names of their objects. Raises ValueError."""
    found: dict[str, str] = {}
    for document in text.split(SEPARATOR):
        if not document.strip():
            continue
        try:
            name = yaml.safe_load(document)["metadata"]["name"]
        except (yaml.YAMLError, TypeError, KeyError):
            raise ValueError("a part of it is no object with a name") from None
        found[str(name)] = f"{document.rstrip()}\n"
    return found


def _in_order(value: JsonValue) -> JsonValue:
    """With sorted keys, so that the same state is the same text."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


class _QuotingDumper(yaml.SafeDumper):
    """Quotes every text but our own words, writes PEM as blocks, and writes equal parts out again."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the library's
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text in _OWN_WORDS else "|" if text.startswith("-----BEGIN ") else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_QuotingDumper.add_representer(str, _text)
