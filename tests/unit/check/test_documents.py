"""YAML and JSON as documents with lines."""

import pytest

from thing_operator.check.documents import Document, UnreadableDocumentError, read_documents


def read(text: str) -> Document:
    (found,) = read_documents(text)
    return found


def messages(text: str) -> list[str]:
    return [flaw.message for flaw in read(text).flaws]


def test_documents_know_the_lines_of_what_is_in_them() -> None:
    first, second = read_documents("---\na: 1\n---\n# none\n---\nb:\n  - x\n  - c: 2\n")
    assert (first.value, second.value) == ({"a": 1}, {"b": ["x", {"c": 2}]})
    assert second.line_of(("b", 1, "c")) == 8
    assert second.line_of(("b", 0, "nothing", "there")) == 7
    assert second.line_of(("elsewhere",)) == 6


def test_json_is_read_with_tabs_too() -> None:
    found = read('{\n\t"a": [1.50, true, null],\n\t"b": "\\t"\n}')
    assert found.value == {"a": [1.5, True, None], "b": "\t"}
    assert found.line_of(("b",)) == 3


def test_tags_and_quotes_count() -> None:
    text = "{a: !!str 010, b: '010', c: !!int \"7\", d: !!binary aGk=}"
    assert read(text).value == {"a": "010", "b": "010", "c": 7, "d": "aGk="}
    assert messages("{a: !!str 010, b: 'off'}") == []


def test_merge_keys_merge_and_own_keys_win() -> None:
    bases = "base: &base {x: 1, z: 2}\nmore: &more {x: 5, w: 6}\n"
    found = read(f"{bases}one: {{<<: *base, z: 3}}\ntwo: {{<<: [*base, *more]}}\n")
    assert found.value["one"] == {"x": 1, "z": 3}
    assert found.value["two"] == {"x": 1, "z": 2, "w": 6}
    with pytest.raises(UnreadableDocumentError, match="<< takes an object"):
        read("a: {<<: 5}")


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("y: 1", {"true": 1}, 'true: y is read as the key true: write "y"'),
        ("1.50: 1", {"1.5": 1}, '1.5: 1.50 is read as the key 1.5: write "1.50"'),
        ("~: 1", {"~": 1}, '~: null as a key, which kubectl refuses: write "~"'),
        ("a: 1\na: 2", {"a": 2}, "a: there twice, and the last one counts: keep one"),
        ("[off]", [False], '[0]: off is read as false: write false, or "off" for a text'),
        ("off", False, 'off is read as false: write false, or "off" for a text'),
    ],
)
def test_what_kubectl_does_in_silence_is_said(text: str, value: object, message: str) -> None:
    found = read(text)
    assert found.value == value
    assert [flaw.message for flaw in found.flaws] == [message]


def test_a_key_that_is_a_number_stands() -> None:
    assert (read("1: a").value, messages("1: a")) == ({"1": "a"}, [])


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: [", "is no YAML", 2),
        ("a: *x", "undefined alias", 1),
        ("a: \x07", "is no YAML", 1),
        ("a:\n  ? [1]\n  : 2", "a key is no text", 2),
        ("a: &a [*a]", "nested too deep", 1),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, message: str, line: int) -> None:
    with pytest.raises(UnreadableDocumentError, match=message) as raised:
        list(read_documents(text))
    assert raised.value.line == line


def test_aliases_do_not_repeat_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thing_operator.check.documents._MOST_NODES", 10)
    with pytest.raises(UnreadableDocumentError, match="repeats too much"):
        read("a: &a [1, 2, 3]\nb: [*a, *a, *a]")


def test_an_item_of_a_list_is_a_document_of_its_own() -> None:
    whole = read("items:\n- a: off\n- b: on\n")
    part = whole.part(("items", 1), whole.value["items"][1])
    assert (part.value, part.line_of(("b",))) == ({"b": True}, 3)
    assert [flaw.place for flaw in part.flaws] == [("b",)]
