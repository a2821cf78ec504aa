"""Echoes of status writes are known by their bytes, and nothing else is taken for one, whatever anybody has written."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thing_operator.core.resource import ObjectKey
from thing_operator.informing.echo import PossibleEcho, possible_echo, repeats
from thing_operator.kube.snapshot import ObjectSnapshot

Body = dict[str, Any]

UID = "5c0ffee5-0000-4000-8000-00000000beef"
_NASTY = (
    '"generation":1,',
    '"finalizers":',
    '"},"spec":',
    '"name":"a","namespace":"ns","resourceVersion":"9","uid":"x',
    "deletionTimestamp",
    "resourceVersion",
    "uid",
    "name",
    "<&>",
    "\\",
)

texts = st.text(max_size=6) | st.sampled_from(_NASTY)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
strings = st.dictionaries(texts, texts, max_size=3)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "annotations": strings,
        "labels": strings,
        "deletionTimestamp": st.just("2026-01-02T00:00:00Z"),
        "finalizers": st.lists(st.sampled_from(("a/b", "c/d")), max_size=2),
        "generation": st.integers(1, 11),
        "name": st.sampled_from(("a", "b")),
        "ownerReferences": st.just(
            [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "another"}]
        ),
        "resourceVersion": st.sampled_from(("7", "11")),
        "uid": st.sampled_from((UID, f"{UID[:-1]}e")),
    },
)
bodies = st.builds(
    lambda meta, spec, status: body_of(meta, spec={"desired": spec}, status=status),
    metadata,
    st.sampled_from(({"n": 1}, {"n": 1.5}, {"n": True})) | values,
    values,
)


def body_of(changes: Body, **rest: Any) -> Body:
    made = {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "managedFields": [{"fieldsV1": {"f:metadata": {"f:finalizers": {}}}, "manager": "m"}],
        "name": "a",
        "namespace": "ns",
        "resourceVersion": "7",
        "uid": UID,
    }
    return {"apiVersion": "thing-operator.io/v1alpha1", "kind": "Thing", "metadata": made | changes, **rest}


def line_of(body: Body, kind: str = "MODIFIED") -> bytes:
    """As an API server writes the event of a custom resource: keys in order, no spaces."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), text.encode("utf-8", "surrogatepass"))


def is_echo(line: bytes, kept: ObjectSnapshot) -> bool:
    found = possible_echo(line)
    return found is not None and found.key == kept.key and repeats(line, found, kept)


@given(kept=bodies, shown=bodies)
@example(kept=body_of({}, spec={"n": 1}, status={}), shown=body_of({}, spec={"n": 1.0}, status={}))
def test_what_is_taken_for_an_echo_is_the_same_once_it_is_decoded(kept: Body, shown: Body) -> None:
    snapshot, line = ObjectSnapshot.from_body(kept), line_of(shown)
    if is_echo(line, snapshot):
        found, decoded = possible_echo(line), ObjectSnapshot.from_body(json.loads(line)["object"])
        assert decoded == snapshot
        assert found is not None
        assert (found.uid, int(found.version)) == (decoded.uid, decoded.version)


@given(annotations=strings, labels=strings, status=values)
@example(annotations={"finalizers:": "generation"}, labels={}, status={"a": {"uid": "x"}, "spec": {}})
def test_an_echo_is_known_whatever_the_labels_and_the_status(
    annotations: Any, labels: Any, status: Any
) -> None:
    spec = {"desired": {"limits": {"max": -15, "min": -25.5}, "ok": True, "ø": "🧊"}, "thingName": "a"}
    changes: Body = {"annotations": annotations, "labels": labels, "resourceVersion": "12"}
    changes["ownerReferences"] = [{"apiVersion": "v1", "kind": "ThingBatch", "name": "c", "uid": "another"}]
    kept = ObjectSnapshot.from_body(body_of({}, spec=spec, status={}))
    line = line_of(body_of(changes, spec=spec, status=status))
    keys = {*annotations, *labels}
    assert is_echo(line, kept) == keys.isdisjoint({"deletionTimestamp", "finalizers"})
    assert possible_echo(line) == PossibleEcho(ObjectKey("ns", "a"), UID, "12", line.index(b'{"desired"'))


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": 2},
        {"generation": 11},
        {"deletionTimestamp": "2026-01-02T00:00:00Z"},
        {"finalizers": ["x"]},
        {"uid": "another"},
        {"name": "other"},
        {"resourceVersion": "none"},
        {"resourceVersion": "1" * 20},
    ],
)
def test_what_says_something_is_no_echo(changes: Body) -> None:
    kept = ObjectSnapshot.from_body(body_of({}, spec={"n": 1}, status={}))
    assert is_echo(line_of(body_of({}, spec={"n": 1}, status={"s": 1})), kept)
    assert not is_echo(line_of(body_of(changes, spec={"n": 1}, status={})), kept)


@pytest.mark.parametrize("kind", ["ADDED", "DELETED", "BOOKMARK", "ERROR"])
def test_only_what_was_modified_is_an_echo(kind: str) -> None:
    assert possible_echo(line_of(body_of({}, spec={"n": 1}, status={}), kind)) is None


@pytest.mark.parametrize(
    "line",
    [b"", b"[1]\n", b'{"type":"MODIFIED","object":{}}\n', b'{"type":"MODIFIED",\xff"},"spec":{}}\n'],
)
def test_what_no_api_server_writes_is_none(line: bytes) -> None:
    assert possible_echo(line) is None


@pytest.mark.parametrize(
    "rest",
    [{"spec": {"n": 1}}, {"spec": {"n": 2}, "status": {}}, {"spec": {"n": 12}, "status": {}}, {"status": {}}],
)
def test_another_spec_or_no_status_is_no_echo(rest: Body) -> None:
    kept = ObjectSnapshot.from_body(body_of({}, spec={"n": 1}, status={}))
    assert not is_echo(line_of(body_of({}, **rest)), kept)


@pytest.mark.parametrize("changes", [{"finalizers": ["x"]}, {"deletionTimestamp": "2026-01-02T00:00:00Z"}])
def test_what_is_being_deleted_or_guarded_is_looked_at_closely(changes: Body) -> None:
    body = body_of(changes, spec={"n": 1}, status={})
    assert not is_echo(line_of(body), ObjectSnapshot.from_body(body))
    assert not is_echo(line_of(body_of({}, spec={"n": 1}, status={})), ObjectSnapshot.from_body(body))


def test_a_spec_that_is_not_kept_is_decoded() -> None:
    body = body_of({}, spec={"n": "x" * 70_000}, status={})
    assert not is_echo(line_of(body), ObjectSnapshot.from_body(body))
