"""The files' text: the same each time, the same to every reader, and no private key outside a Secret."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from tests.unit.adopt.fleet import OPTIONS, PEM, found
from tests.unit.shadow.strategies import objects

from thing_operator.adopt.manifests import (
    documents_in,
    file_name,
    one_file,
    secret_manifest,
    thing_manifest,
    to_yaml,
)


def thing(name: str = "00001721", desired: Any = None) -> dict[str, Any]:
    return thing_manifest(found(name), desired=desired, options=OPTIONS)


def test_the_text_of_a_thing() -> None:
    assert to_yaml(thing(desired={"mode": "on", "1e5": {"y": [1, "0o17"]}})) == (
        "apiVersion: thing-operator.io/v1alpha1\n"
        "kind: Thing\n"
        "metadata:\n"
        '  name: "00001721"\n'
        '  namespace: "fleet"\n'
        "spec:\n"
        '  thingName: "00001721"\n'
        "  desiredPolicy: Merge\n"
        "  desired:\n"
        '    "1e5":\n'
        '      "y":\n'
        "      - 1\n"
        '      - "0o17"\n'
        '    "mode": "on"\n'
    )


@pytest.mark.parametrize(
    "name", ["00001721", "00000089", "1e5", "0o17", "0x1F", "on", "null", "12_30", "1:30"]
)
def test_no_name_is_taken_for_a_number(name: str) -> None:
    text = to_yaml(thing(name))
    assert f'thingName: "{name}"' in text
    assert yaml.safe_load(text)["spec"]["thingName"] == name


@given(objects())
def test_what_is_desired_comes_back_as_it_is(desired: dict[str, object]) -> None:
    body = thing(desired=desired)
    assert yaml.safe_load(to_yaml(body)) == body


@pytest.mark.parametrize(
    "text", ["", "a\nb", " x ", "\u2028", "\x85", "\ttab", "🧊", "'\"\\", "x" * 500, "- a", "# b"]
)
def test_so_does_every_text(text: str) -> None:
    body = thing(desired={text: [text]})
    assert yaml.safe_load(to_yaml(body)) == body


def test_the_secret_has_the_pair_and_the_thing_has_not() -> None:
    body = secret_manifest(found("My_Thing:1"), namespace="fleet")
    text = to_yaml(body)
    assert yaml.safe_load(text) == body
    assert body["stringData"] == {"tls.crt": PEM, "tls.key": PEM}
    assert body["metadata"]["annotations"] == {"thing-operator.io/thing-name": "My_Thing:1"}
    assert "tls.key: |\n    -----BEGIN" in text
    assert "BEGIN" not in to_yaml(thing("My_Thing:1"))


def test_files_are_named_by_kind_and_object() -> None:
    assert file_name(thing("My_Thing:1")).startswith("thing-my-thing-1.")
    assert file_name(secret_manifest(found(), namespace="n")) == "secret-thing-00001721.yaml"


def test_one_file_is_sorted_and_keeps_what_was_in_it() -> None:
    first = one_file([thing("b"), thing("a")], kept={})
    assert [body["metadata"]["name"] for body in yaml.safe_load_all(first)] == ["a", "b"]
    assert one_file([], kept=documents_in(first)) == first
    edited = first.replace("Observe", "Merge")
    more = one_file([thing("a"), thing("c")], kept=documents_in(edited))
    policies = [
        (body["metadata"]["name"], body["spec"]["desiredPolicy"]) for body in yaml.safe_load_all(more)
    ]
    assert policies == [("a", "Observe"), ("b", "Merge"), ("c", "Observe")]


@pytest.mark.parametrize("text", ["- a\n", "a: [", "kind: Thing\n", "text"])
def test_a_file_of_something_else_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="no object with a name"):
        documents_in(text)


def test_an_empty_file_holds_nothing() -> None:
    assert documents_in("\n---\n\n") == {}
