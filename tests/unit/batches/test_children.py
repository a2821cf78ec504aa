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
    CHILD_LIMIT,
    BatchIdentity,
    KnownSecret,
    ThingFiles,
    changes_to,
    has_content,
    holds,
    name_of_thing,
    secret_body,
)
from thing_operator.batches.sources import Part, SourceNotFoundError, Sources, of_children
from thing_operator.batches.zips import files_found, things_kept
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials.certificates import parse_certificate

PAIR = ec_pair()
BATCH = BatchIdentity(ObjectKey("ns", "b"), "uid-of-b")
ZIP = SecretSource(name="zip", key="batch.zip")
FILES = {"tls.crt": PAIR.certificate, "tls.key": b"key"}
STORED = {name: base64.b64encode(content).decode() for name, content in FILES.items()}
DELETE = ThingBatchSpec.model_validate({"source": {}, "deletionPolicy": "Delete"})
RETAIN = ThingBatchSpec.model_validate({"source": {}})


def as_stored(spec: ThingBatchSpec, **metadata: Any) -> dict[str, Any]:
    body = secret_body(BATCH, spec, ThingFiles("one", FILES, None, None))
    return body | {"metadata": body["metadata"] | {"uid": "s"} | metadata}


def patched(existing: Mapping[str, Any], spec: ThingBatchSpec) -> dict[str, Any]:
    """What is left of an existing Secret after the import; a patch that changes nothing else is asked for once."""
    wanted = secret_body(BATCH, spec, ThingFiles("one", FILES, None, None))
    known = KnownSecret.of(existing)
    assert not holds(known, wanted)
    values = {each["path"]: each["value"] for each in changes_to(known, wanted) if each["op"] == "add"}
    meta = {name: values[f"/metadata/{name}"] for name in ("labels", "annotations", "ownerReferences")}
    after = {**existing, "data": values["/data"], "metadata": {**existing["metadata"], **meta}}
    assert holds(KnownSecret.of(after), wanted)
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
    assert holds(KnownSecret.of(existing), wanted) == stays
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
    kept, lost = things_kept(None, {"one", "two", "three"}, {"one", "two"}.__contains__, others={"one"})
    assert kept == {"two": None}
    assert [(each.name, each.result) for each in lost] == [("three", ThingResult.INVALID)]
    found = files_found("one", STORED)
    assert found.fingerprint == parse_certificate(PAIR.certificate).fingerprint
    assert (files_found("two", {}).fingerprint, bool(files_found("two", {}).note)) == (None, True)


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
    kept, lost = things_kept(status, {"one", "left"}, {"one", "left"}.__contains__, others=set())
    assert (list(kept), lost) == (counted, [])


def test_of_a_secret_no_more_is_kept_than_tells_whether_it_is_as_wanted() -> None:
    known = KnownSecret.of(as_stored(RETAIN))
    assert STORED["tls.crt"] not in str(known)
    wanted = secret_body(BATCH, RETAIN, ThingFiles("one", FILES, None, None))
    assert holds(known, wanted)
    assert holds(known, secret_body(BATCH, RETAIN, ThingFiles("one", None, None, None)))
    for other in (
        {"tls.crt": b"other", "tls.key": b"key"},
        {"tls.crt": PAIR.certificate},
        FILES | {"x": b""},
    ):
        assert not has_content(known, secret_body(BATCH, RETAIN, ThingFiles("one", other, None, None)))


@pytest.mark.parametrize(
    "large",
    [
        {"data": {"x": "x" * 100 * CHILD_LIMIT}},
        {"metadata": {"annotations": {"x": "x" * 100 * CHILD_LIMIT}}},
        {"metadata": {"labels": {"x": "x" * 100 * CHILD_LIMIT}}},
    ],
)
def test_of_a_secret_that_is_too_large_no_more_is_kept_than_whose_it_is(large: dict[str, Any]) -> None:
    body = as_stored(RETAIN)
    metadata = body["metadata"]
    for part, value in large.get("metadata", {}).items():
        metadata |= {part: metadata[part] | value}
    known = KnownSecret.of(body | {"metadata": metadata, "data": large.get("data", STORED)})
    assert known.too_large > 100 * CHILD_LIMIT
    assert len(str(known)) < 1000
    assert name_of_thing({"metadata": known.metadata}) == "one"


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
