"""The uid of a watch event is found in its bytes, whatever anybody has written into the object."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thing_operator.core.json_bytes import encode
from thing_operator.informing.share import Share, shard_key, shard_key_in, shard_key_of
from thing_operator.kube.snapshot import ObjectSnapshot

UID = "5c0ffee5-0000-4000-8000-00000000beef"

texts = st.text(max_size=8) | st.sampled_from(['"uid":"x"},"spec":', "uid", "spec", '"},"spec":', "\\"])
values = st.recursive(
    texts | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
strings = st.dictionaries(texts, texts, max_size=3)


def line_of(metadata: dict[str, Any], **rest: Any) -> bytes:
    """As an API server writes the event of a custom resource: keys in order, no spaces."""
    body = {"apiVersion": "thing-operator.io/v1alpha1", "kind": "Thing", "metadata": metadata, **rest}
    return (
        b'{"type":"ADDED","object":%s}\n' % json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    )


@given(annotations=strings, labels=strings, spec=values, status=values)
@example(
    annotations={"uid": "x", "spec": "y"}, labels={"uid": "z"}, spec={"a": {"uid": "x"}, "spec": 1}, status={}
)
def test_the_uid_is_that_of_metadata(annotations: Any, labels: Any, spec: Any, status: Any) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "another"}
    metadata = {
        "annotations": annotations,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "labels": labels,
        "managedFields": [{"fieldsV1": {"f:spec": {"f:uid": {}}}, "manager": "m"}],
        "name": "a",
        "namespace": "ns",
        "ownerReferences": [owner],
        "resourceVersion": "7",
        "uid": UID,
    }
    body = {"metadata": metadata}
    assert shard_key_in(line_of(metadata, spec=spec, status=status)) == shard_key(body) == UID
    assert shard_key_of(ObjectSnapshot.from_body(body)) == UID


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[1]\n",
        b'{"type":"BOOKMARK","object":{"kind":"Thing","metadata":{"resourceVersion":"9"}}}\n',
        b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n',
        line_of({"uid": UID}),
        line_of({"uid": UID, "zone": "behind"}, spec={}),
        encode({"type": "ADDED", "object": {"spec": {}, "metadata": {"uid": UID}}}),
        b'{"object":{"metadata":{"uid":"' + b"x" * 80 + b'"},"spec":{}}}',
    ],
)
def test_what_is_written_otherwise_is_left_to_who_decodes_it(line: bytes) -> None:
    assert shard_key_in(line) is None


@pytest.mark.parametrize(
    "parent", [{"parentRef": {"name": "hub"}}, {"desired": {"parentRef": {"name": "hub"}}}]
)
def test_what_belongs_to_another_object_is_everybodys(parent: dict[str, Any]) -> None:
    metadata = {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "name": "a",
        "namespace": "ns",
        "resourceVersion": "7",
        "uid": UID,
    }
    body = {"metadata": metadata, "spec": parent}
    nobodys = Share(lambda _uid: False)
    is_child = "parentRef" in parent
    # A key of that name anywhere is not seen at a glance: then the object is read.
    assert shard_key_in(line_of(metadata, spec=parent, status={})) is None
    assert nobodys.keeps(shard_key(body)) is is_child
    assert nobodys.keeps(shard_key_of(ObjectSnapshot.from_body(body))) is is_child
