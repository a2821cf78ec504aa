"""The stand-in's and the operator's ideas of a shadow, held against each other.

They share no code. Where they differ one of them is wrong, and docs/background/aws-iot-shadow.md says which.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from thing_operator.core import json_bytes
from thing_operator.core.json_values import json_equal
from thing_operator.shadow.documents import EMPTY_DOCUMENT, ShadowDocument, section_size
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.messages import (
    decode_accepted,
    decode_delete_accepted,
    decode_documents,
    decode_get_accepted,
    decode_rejected,
    encode_update,
)
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics
from thing_operator.shadow.topics import is_thing_name as operator_takes_thing_name
from thing_operator.shadow.validation import InvalidDocumentError, check_section
from thing_operator_local.cloud.json_text import dump, load, same
from thing_operator_local.cloud.shadow_service import ShadowOptions, ShadowRequest, ShadowService
from thing_operator_local.cloud.shadow_topics import (
    ShadowAddress,
    ShadowMessage,
    ShadowOperation,
    is_shadow_name,
    is_thing_name,
    read_topic,
)
from thing_operator_local.cloud.shadow_tree import outstanding, patched, values

Json = Any

NOW = 1_790_000_000
KEYS = st.sampled_from(["a", "b", "timestamp", "", "x/y", "ключ"])
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, 1.0, -0.0, 0.0, -1, 2.5, 1e16, 1e-7, 2**53, 2**53 + 1, float(2**53), 2**64, -(2**63)]
    ),
    st.integers(min_value=-(2**63), max_value=2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(
    NUMBERS, st.booleans(), st.sampled_from(["1", "true", "", "ø", "😀", "\u2028"]), st.text(max_size=5)
)


def _json(scalars: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )


VALUES = _json(SCALARS)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
"""What stands in a section: null nowhere."""
PATCHES = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | SCALARS | st.lists(VALUES, max_size=3),
        lambda inner: st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)
"""What an update may say of a section: null is a removal, and stands in no array."""


def exact(value: Json) -> str:
    """Text that tells 1, 1.0 and true apart, and does not care for the order of keys."""
    return json.dumps(value, sort_keys=True)


def tree(state: Json) -> Any:
    return patched({}, state, now=NOW)


@given(OBJECTS, PATCHES)
@example({"a": {"x": 1}}, {"a": {}})
@example({"a": 1}, {"a": {"b": {"c": None}}})
@example({"a": {"x": 1}}, {"a": {"x": None}})
def test_merge(before: Json, patch: Json) -> None:
    assert exact(values(patched(tree(before), patch, now=NOW))) == exact(merge(before, patch))


@given(OBJECTS, PATCHES)
def test_delta(desired: Json, change: Json) -> None:
    """Of two sections that have much in common."""
    reported = merge(desired, change)
    for wanted, actual in ((desired, reported), (reported, desired)):
        assert exact(values(outstanding(tree(wanted), tree(actual)))) == exact(difference(wanted, actual))


@given(VALUES, VALUES)
@example(1, 1.0)
@example(1, True)
@example(0, False)
@example(1, "1")
@example([1, True], [1.0, 1])
@example({"a": [0]}, {"a": [-0.0]})
@example({}, [])
@example(2**53 + 1, float(2**53))
def test_equality(one: Json, other: Json) -> None:
    assert same(one, other) == json_equal(one, other)
    assert same(one, load(exact(one)))
    assert json_equal(one, load(exact(one)))


class Follower:
    """A service with one shadow, and what the operator makes of its messages alone."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.service = ShadowService(
            lambda: self.now, ShadowOptions(requests_per_second=None, document_limit=10**6, max_depth=100)
        )
        self.document = EMPTY_DOCUMENT

    def update(self, body: bytes) -> None:
        answer = self.service.handle(ShadowRequest("t", None, ShadowOperation.UPDATE, body))
        assert answer.accepted, answer.payload
        self.document = self.document.after(decode_accepted(answer.payload))
        messages = {each.topic.rpartition("/")[2]: each.payload for each in answer.publications}
        self.check(decode_documents(messages["documents"]).current)
        delta = json_bytes.decode(messages["delta"])["state"] if "delta" in messages else {}
        assert exact(delta) == exact(self.document.delta)

    def delete(self) -> None:
        answer = self.service.handle(ShadowRequest("t", None, ShadowOperation.DELETE))
        if self.document.version == 0:
            assert decode_rejected(answer.payload).code == 404
        else:
            assert decode_delete_accepted(answer.payload).version == self.document.version
        self.document = EMPTY_DOCUMENT

    def read(self) -> None:
        answer = self.service.handle(ShadowRequest("t", None, ShadowOperation.GET))
        if self.document.version == 0:
            assert decode_rejected(answer.payload).code == 404
            return
        self.check(decode_get_accepted(answer.payload).document)
        state = json_bytes.decode(answer.payload)["state"]
        assert exact(state.get("delta", {})) == exact(self.document.delta)

    def check(self, shown: ShadowDocument) -> None:
        for mine, theirs in (
            (self.document.desired, shown.desired),
            (self.document.reported, shown.reported),
            (self.document.desired_metadata, shown.desired_metadata),
            (self.document.reported_metadata, shown.reported_metadata),
            (self.document.version, shown.version),
        ):
            assert exact(mine) == exact(theirs)


SECTIONS = st.none() | PATCHES
STATES = st.none() | st.fixed_dictionaries({}, optional={"desired": SECTIONS, "reported": SECTIONS})


@given(st.lists(STATES | st.sampled_from(["get", "delete"]), max_size=6))
@example(
    [{"desired": {"a": {"timestamp": 1}}}, {"desired": {"a": {"timestamp": None}}}, {"desired": {"a": {}}}]
)
@example([{"reported": {"a": [{"timestamp": 7}]}}, {"reported": {"a": {"b": 1}}}, None])
@example([{"desired": {"a": 1}}, {"desired": {"a": {"b": 1}}}, {"desired": {"a": 2}}])
@example([{"desired": {"a": 1}}, "delete", {"desired": {}}, "get"])
@example([{"desired": {"a": {"b": {}}}}, {"desired": {"a": {"b": {"c": None}}}}])
@example([{"desired": {"timestamp": 5}}, {"desired": {"timestamp": {"timestamp": 6}}}, {"reported": None}])
def test_the_operator_follows_a_shadow_by_its_messages(dialogue: list[Json]) -> None:
    """State, metadata, version and delta by ``accepted`` alone are those of ``documents``, ``delta`` and ``get``."""
    follower = Follower()
    for step in dialogue:
        follower.now += 3
        if step == "get":
            follower.read()
        elif step == "delete":
            follower.delete()
        else:
            follower.update(json_bytes.encode({"state": step}))
    follower.read()


@given(OBJECTS, OBJECTS)
def test_size(desired: Json, reported: Json) -> None:
    """What the operator counts is what the service counts, to the byte."""
    size = section_size(desired) + section_size(reported)
    body = encode_update(desired=desired, reported=reported)
    assume(size)
    for limit, code in ((size, 200), (size - 1, 413)):
        options = ShadowOptions(requests_per_second=None, document_limit=limit, max_depth=100)
        answer = ShadowService(lambda: NOW, options).handle(
            ShadowRequest("t", None, ShadowOperation.UPDATE, body)
        )
        assert answer.code == code


DEEP = st.recursive(
    st.none() | st.just(1),
    lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=20,
)


def refused(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidDocumentError:
        return True
    return False


@given(st.dictionaries(st.sampled_from("ab"), DEEP, max_size=2), st.integers(1, 6))
def test_what_the_operator_takes_for_valid_is_accepted(section: Json, max_depth: int) -> None:
    """And what it refuses for a null in an array or for its depth is refused; an array is a level to it alone."""
    options = ShadowOptions(requests_per_second=None, max_depth=max_depth)
    request = ShadowRequest("t", None, ShadowOperation.UPDATE, dump({"state": {"desired": section}}))
    accepted = ShadowService(lambda: NOW, options).handle(request).accepted
    if not refused(lambda: check_section(section, name="desired", max_depth=max_depth)):
        assert accepted
    elif accepted:
        text = exact(section)
        assert "null" in text or "[" in text, "only a null (a removal to the service) and an array may differ"


@given(st.one_of(VALUES, st.integers(-(10**30), 10**30), st.just("\ud800")))
def test_each_reads_what_the_other_writes(value: Json) -> None:
    assert same(load(json_bytes.encode(value).decode()), value)
    if not isinstance(value, int) or -(2**63) <= value < 2**64:
        assert json_equal(json_bytes.decode(dump(value)), value)


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "1e999", "{} {}", "", "\ufeff1", "[1,]", "'a'", "01", "+1"]
)
def test_what_is_no_json_to_one_is_none_to_the_other(text: str) -> None:
    for read in (load, lambda text: json_bytes.decode(text.encode())):
        with pytest.raises(ValueError):
            read(text)


NAMES = st.text(st.sampled_from("aZ09:_-$/ ø+#"), max_size=6) | st.sampled_from(
    ["a" * 64, "a" * 65, "a" * 128, "a" * 129, "name", "update", "$", "٣"]
)


@given(NAMES)
def test_names(name: str) -> None:
    assert is_thing_name(name) == operator_takes_thing_name(name)


@pytest.mark.parametrize("name", ["a", "$", "aZ09:_-$", "a" * 64])
def test_names_of_named_shadows(name: str) -> None:
    assert is_shadow_name(name)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a+", "#", "ø", "٣", "a" * 65])
def test_no_names_of_named_shadows(name: str) -> None:
    assert not is_shadow_name(name)


@given(st.sampled_from(Operation), st.sampled_from(Kind), NAMES, st.none() | NAMES)
def test_topics(operation: Operation, kind: Kind, thing: str, shadow: str | None) -> None:
    topic = ShadowTopics(thing, shadow).topic(operation, kind)
    message = ShadowMessage(kind.value) if kind.value else None
    assert ShadowAddress(thing, shadow).topic(ShadowOperation(operation.value), message) == topic
    is_used = operation is Operation.UPDATE or kind not in {Kind.DELTA, Kind.DOCUMENTS}
    is_named = operator_takes_thing_name(thing) and (shadow is None or is_shadow_name(shadow))
    expected = (ShadowAddress(thing, shadow), ShadowOperation(operation.value), message)
    assert _read(topic) == (expected if is_used and is_named else None)


@given(
    st.lists(
        st.sampled_from(["$aws", "things", "t", "shadow", "name", "update", "get", "delta", "accepted", ""]),
        max_size=9,
    )
)
@example(["$aws", "things", "t", "shadow", "name", "update"])
@example(["$aws", "things", "t", "shadow", "get", "delta"])
def test_taking_topics_apart(levels: list[str]) -> None:
    for topic in ("/".join(levels), "/".join(["$aws/things/t/shadow", *levels])):
        if found := _read(topic):
            address, operation, message = found
            topics = ShadowTopics(address.thing, address.shadow)
            assert topics.topic(Operation(operation.value), Kind(message or "")) == topic


def _read(topic: str) -> tuple[ShadowAddress, ShadowOperation, ShadowMessage | None] | None:
    found = read_topic(topic)
    return (found.address, found.operation, found.message) if found else None
