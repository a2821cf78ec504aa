"""What a ThingBatch makes of its children, and what it knows by them when it has lost everything else."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.pki import ec_pair

from thing_operator.api.names import (
    BATCH_LABEL,
    BATCH_UID_ANNOTATION,
    THING_NAME_ANNOTATION,
    THING_NAME_LABEL,
)
from thing_operator.api.thingbatch import (
    BatchThing,
    CloudApiSource,
    ImportedSource,
    SecretSource,
    SourceSpec,
    ThingBatchSpec,
    ThingBatchStatus,
    ThingResult,
    UrlSource,
)
from thing_operator.batches.children import (
    BatchIdentity,
    ThingFiles,
    changes_to,
    holds,
    name_of_thing,
    secret_body,
)
from thing_operator.batches.sources import Part, SourceNotFoundError, Sources, of_children
from thing_operator.batches.zips import files_kept
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials.certificates import parse_certificate

PAIR = ec_pair()
BATCH = BatchIdentity(ObjectKey("ns", "b"), "uid-of-b")
ZIP = SecretSource(name="zip", key="batch.zip")
FILES = {"tls.crt": base64.b64encode(PAIR.certificate).decode(), "tls.key": "a2V5"}
DELETE = ThingBatchSpec.model_validate({"source": {}, "deletionPolicy": "Delete"})
RETAIN = ThingBatchSpec.model_validate({"source": {}})


def as_stored(spec: ThingBatchSpec, **metadata: Any) -> dict[str, Any]:
    body = secret_body(BATCH, spec, ThingFiles("one", FILES, None, None))
    return body | {"metadata": body["metadata"] | {"uid": "s"} | metadata}


def patched(existing: Mapping[str, Any], spec: ThingBatchSpec) -> dict[str, Any]:
    """What is left of an existing Secret after the import; a patch that changes nothing else is asked for once."""
    wanted = secret_body(BATCH, spec, ThingFiles("one", FILES, None, None))
    assert not holds(existing, wanted)
    values = {each["path"]: each["value"] for each in changes_to(existing, wanted) if each["op"] == "add"}
    meta = {name: values[f"/metadata/{name}"] for name in ("labels", "annotations", "ownerReferences")}
    after = {**existing, "data": values["/data"], "metadata": {**existing["metadata"], **meta}}
    assert holds(after, wanted)
    return after


def test_only_what_is_to_go_with_a_batch_names_it() -> None:
    assert BATCH.has_imported(as_stored(DELETE))
    assert not BATCH.has_imported(as_stored(RETAIN))
    of_an_earlier_one = as_stored(RETAIN, annotations={BATCH_UID_ANNOTATION: "another"})
    assert not BATCH.has_imported(of_an_earlier_one)
    assert not BATCH.has_imported({"metadata": {}})
    # What the zip of the new one has, too, becomes its own.
    assert BATCH.has_imported(patched(of_an_earlier_one, DELETE))


@pytest.mark.parametrize(
    ("version", "kind", "stays"),
    [
        ("thing-operator.io/v1alpha1", "ThingBatch", False),
        ("thing-operator.io/v1", "ThingBatch", False),
        ("example.org/v1", "ThingBatch", True),
        ("thing-operator.io/v1alpha1", "Thing", True),
    ],
)
def test_a_batch_is_no_owner_any_more_and_others_may_be(version: str, kind: str, stays: bool) -> None:
    owner = {"apiVersion": version, "kind": kind, "name": "b", "uid": "of-before"}
    existing = as_stored(RETAIN, ownerReferences=[owner])
    wanted = secret_body(BATCH, RETAIN, ThingFiles("one", FILES, None, None))
    assert holds(existing, wanted) == stays
    if not stays:
        assert patched(existing, RETAIN)["metadata"]["ownerReferences"] == []


@pytest.mark.parametrize(
    ("meta", "spec", "name"),
    [
        ({"annotations": {THING_NAME_ANNOTATION: "a:b"}, "labels": {THING_NAME_LABEL: "other"}}, None, "a:b"),
        ({"labels": {THING_NAME_LABEL: "one"}}, None, "one"),
        ({"labels": {BATCH_LABEL: "b"}}, {"thingName": "a:b"}, "a:b"),
        ({"annotations": None, "labels": None}, None, None),
    ],
)
def test_a_child_says_what_it_is_for(meta: Any, spec: Any, name: str | None) -> None:
    assert name_of_thing({"metadata": meta, "spec": spec}) == name


def test_without_status_every_child_counts_and_the_missing_ones_are_named() -> None:
    files, lost = files_kept(None, {"one", "two", "three"}, {"one": FILES, "two": {}}.get, others={"one"})
    assert [(each.thing_name, each.fingerprint) for each in files] == [("two", None)]
    assert files[0].note
    assert [(each.name, each.result) for each in lost] == [("three", ThingResult.INVALID)]
    (only,), _ = files_kept(None, {"one"}, {"one": FILES}.get, others=set())
    assert only.fingerprint == parse_certificate(PAIR.certificate).fingerprint


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (ThingBatchStatus(), ["left", "one"]),
        (ThingBatchStatus(things=(BatchThing(name="one", result="Imported"),), total=1), ["one"]),
        (ThingBatchStatus(things=(BatchThing(name="one", result="Imported"),), total=2), ["left", "one"]),
        (ThingBatchStatus(things=(), total=0), []),
    ],
)
def test_what_has_left_the_batch_counts_only_where_status_does_not_know(
    status: ThingBatchStatus, counted: list[str]
) -> None:
    files, lost = files_kept(status, {"one", "left"}, {"one": FILES, "left": FILES}.get, others=set())
    assert ([each.thing_name for each in files], lost) == (counted, [])


def test_a_source_that_is_known_by_its_children_has_no_digest() -> None:
    cloud = CloudApiSource(host="h", account_secret_name="a", thing_type="t", domain="d", size=1)
    for source, name, key in (
        (SourceSpec(secrets=(ZIP,)), "zip", "batch.zip"),
        (SourceSpec(url=UrlSource(secret_name="u")), "u", "url"),
        (SourceSpec(cloud_api=cloud), "", None),
        (SourceSpec(cloud_api=cloud.model_copy(update={"batch_id": "m"})), "m", None),
    ):
        (imported,) = of_children(source)
        assert (imported.name, imported.key, imported.digest) == (name, key, None)
        sources = Sources((Part(imported), Part(ImportedSource(name="x", digest="00"), b"")))
        assert (sources.is_by_children, sources.digest, sources.is_whole) == (True, None, False)
    whole = Sources((Part(ImportedSource(name="x", digest="00"), b""),))
    assert (whole.is_by_children, whole.is_whole) == (False, True)
    assert not Sources(whole.parts, trouble=SourceNotFoundError("m")).is_whole
