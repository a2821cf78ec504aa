"""What a ThingBatch makes: the bodies of its Secrets and Things, and whose an existing object is. Pure.

Of a Secret that is there, no more is kept than tells whether it is as wanted: anybody may give Secrets a batch's label.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from thing_operator.api import names
from thing_operator.api.thingbatch import RetainOrDelete, TemplateMetadata, ThingBatchSpec
from thing_operator.core.json_bytes import encode
from thing_operator.core.resource import ObjectKey
from thing_operator.core.thing_names import object_name, secret_name, thing_label_value
from thing_operator.credentials import Credentials

Body = dict[str, Any]

_LABEL_LIMIT = 63
CHILD_LIMIT: Final = 128 * 1024
"""Bytes of a Secret that can be a thing's: a chain and a key have a third of it."""


@dataclass(frozen=True, slots=True)
class BatchIdentity:
    """The ThingBatch that children belong to."""

    key: ObjectKey
    uid: str

    @property
    def label(self) -> str:
        """Value of the batch label."""
        return batch_label(self.key.name)

    @property
    def selector(self) -> str:
        """Selects the children on the API server."""
        return f"{names.BATCH_LABEL}={self.label}"

    def owns(self, body: Mapping[str, Any]) -> bool:
        """Whether an object is a child of this batch; anything else is never overwritten."""
        labels: Mapping[str, str] = body["metadata"].get("labels") or {}
        return labels.get(names.BATCH_LABEL) == self.label

    def has_imported(self, body: Mapping[str, Any]) -> bool:
        """Whether it was this very batch that imported a child, so that it may delete it."""
        annotations: Mapping[str, str] = body["metadata"].get("annotations") or {}
        return annotations.get(names.BATCH_UID_ANNOTATION) == self.uid


def name_of_thing(body: Mapping[str, Any]) -> str | None:
    """The thing that a child is for; None when nothing on it says so."""
    meta, spec = body["metadata"], body.get("spec") or {}
    annotated = (meta.get("annotations") or {}).get(names.THING_NAME_ANNOTATION)
    labelled = (meta.get("labels") or {}).get(names.THING_NAME_LABEL)
    name: str | None = annotated or spec.get("thingName") or labelled
    return name


def batch_label(name: str) -> str:
    """A ThingBatch's name, or its beginning and a hash where it is too long for a label."""
    if len(name) <= _LABEL_LIMIT:
        return name
    return f"{name[:52].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class ThingFiles:
    """What the Secret of one thing is to hold, None for what it holds already, and what status says of it."""

    thing_name: str
    data: Mapping[str, bytes] | None = field(repr=False)
    fingerprint: str | None
    not_after: datetime | None
    note: str | None = None

    @classmethod
    def of(cls, thing_name: str, credentials: Credentials, *, note: str | None) -> Self:
        """The files of a thing whose credentials come from a zip; ``note`` is for its status."""
        data = {"tls.crt": credentials.certificate_pem, "tls.key": credentials.private_key_pem}
        return cls(thing_name, data, credentials.fingerprint, credentials.not_after, note)


def secret_body(batch: BatchIdentity, spec: ThingBatchSpec, files: ThingFiles) -> Body:
    """The Secret of one thing: type kubernetes.io/tls, our labels and the template's, nothing of the parent's.

    Without ``data`` where it is to hold what it does.
    """
    template = spec.secret_template.metadata if spec.secret_template else None
    name = files.thing_name
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": _metadata(batch, spec, name=secret_name(name), thing_name=name, template=template),
    }
    if files.data is None:
        return body
    return body | {"data": {key: base64.b64encode(value).decode() for key, value in files.data.items()}}


def thing_body(batch: BatchIdentity, spec: ThingBatchSpec, *, thing_name: str) -> Body:
    """The Thing of one thing, after the template."""
    template = spec.things.template if spec.things else None
    from_template = template.spec.to_wire() if template and template.spec else {}
    metadata = _metadata(
        batch,
        spec,
        name=object_name(thing_name),
        thing_name=thing_name,
        template=template.metadata if template else None,
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.THING_KIND,
        "metadata": metadata,
        "spec": from_template | {"thingName": thing_name},
    }


def with_template_hash(body: Body) -> Body:
    """The body with an annotation that tells it from one made after another template.

    A Thing is written when it is missing or when the template has changed, and not otherwise: what people
    edit in between stands.
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    metadata = body["metadata"]
    annotations = metadata.get("annotations", {}) | {names.TEMPLATE_HASH_ANNOTATION: digest}
    return body | {"metadata": metadata | {"annotations": annotations}}


def is_after_template(existing: Mapping[str, Any], wanted: Body) -> bool:
    """Whether an existing Thing was made after the template that ``wanted`` was made after."""
    annotations: Mapping[str, str] = existing["metadata"].get("annotations") or {}
    hash_now = wanted["metadata"]["annotations"][names.TEMPLATE_HASH_ANNOTATION]
    return bool(annotations.get(names.TEMPLATE_HASH_ANNOTATION) == hash_now)


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A Secret that is there: its metadata, and of its content a digest, None for one that holds nothing.

    ``too_large``: bytes of one that is no thing's for its size, of which no more than its name is kept.
    """

    metadata: Mapping[str, Any]
    digest: bytes | None
    immutable: bool = False
    too_large: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """What is to be kept of a Secret as the API server has it."""
        data, metadata = body.get("data") or {}, body["metadata"]
        size = sum(map(len, data.values())) + len(encode(metadata))
        if size > CHILD_LIMIT:
            name_only = {name: metadata[name] for name in ("name", "namespace", "uid")}
            return cls(name_only | _named_by_us(metadata), data_digest(data), too_large=size)
        return cls(metadata, data_digest(data), immutable=bool(body.get("immutable")))


def data_digest(data: Mapping[str, str]) -> bytes | None:
    """SHA-256 of what a Secret holds, base64 as the API server has it; None for nothing."""
    if not data:
        return None
    digest = hashlib.sha256()
    for key in sorted(data):
        for part in (key, data[key]):
            digest.update(b"%d:%s" % (len(part), part.encode()))
    return digest.digest()


def _named_by_us(metadata: Mapping[str, Any]) -> Body:
    """Those labels and annotations that say whose a child is."""
    ours = (
        (names.BATCH_LABEL, names.THING_NAME_LABEL),
        (names.THING_NAME_ANNOTATION, names.BATCH_UID_ANNOTATION),
    )
    return {
        part: {name: given[name] for name in wanted if name in given}
        for part, wanted in zip(("labels", "annotations"), ours, strict=True)
        for given in (metadata.get(part) or {},)
    }


def has_content(existing: KnownSecret, wanted: Body) -> bool:
    """Whether a Secret holds what it is to hold."""
    return "data" not in wanted or existing.digest == data_digest(wanted["data"])


def holds(existing: KnownSecret, wanted: Body) -> bool:
    """Whether an existing Secret already has the data, labels and annotations wanted, and no batch as owner."""
    meta, goal = existing.metadata, wanted["metadata"]
    return (
        has_content(existing, wanted)
        and _within(goal["labels"], meta.get("labels"))
        and _within(goal["annotations"], meta.get("annotations"))
        and _other_owners(meta) == (meta.get("ownerReferences") or [])
    )


def changes_to(existing: KnownSecret, wanted: Body) -> list[dict[str, Any]]:
    """The JSON Patch that makes an existing Secret as wanted, and only the one that was looked at.

    What others put on it stays; an owner reference to a ThingBatch, of an earlier version of the operator, does not:
    it would have the Secret deleted as soon as there is no batch of that uid.
    """
    meta, goal = existing.metadata, wanted["metadata"]
    changes: dict[str, Any] = {
        **({"/data": wanted["data"]} if "data" in wanted else {}),
        "/metadata/labels": (meta.get("labels") or {}) | goal["labels"],
        "/metadata/annotations": (meta.get("annotations") or {}) | goal["annotations"],
        "/metadata/ownerReferences": _other_owners(meta),
    }
    operations = [{"op": "test", "path": "/metadata/uid", "value": meta["uid"]}]
    return operations + [{"op": "add", "path": path, "value": value} for path, value in changes.items()]


def _other_owners(meta: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    owners: list[Mapping[str, Any]] = meta.get("ownerReferences") or []
    return [
        owner
        for owner in owners
        if (owner["kind"], owner["apiVersion"].partition("/")[0]) != (names.BATCH_KIND, names.GROUP)
    ]


def _within(wanted: Mapping[str, str], existing: Mapping[str, str] | None) -> bool:
    return wanted.items() <= (existing or {}).items()


def _metadata(
    batch: BatchIdentity,
    spec: ThingBatchSpec,
    *,
    name: str,
    thing_name: str,
    template: TemplateMetadata | None,
) -> Body:
    label = thing_label_value(thing_name)
    labels = dict((template.labels if template else None) or {})
    labels |= {names.BATCH_LABEL: batch.label} | ({names.THING_NAME_LABEL: label} if label else {})
    annotations = dict((template.annotations if template else None) or {})
    annotations |= {
        names.THING_NAME_ANNOTATION: thing_name,
        names.ARGO_IGNORE_UPDATES_ANNOTATION: "true",
    }
    if RetainOrDelete.DELETE in {spec.deletion_policy, spec.prune_policy}:
        annotations[names.BATCH_UID_ANNOTATION] = batch.uid
    return {
        "name": name,
        "namespace": batch.key.namespace,
        "labels": labels,
        "annotations": annotations,
    }
