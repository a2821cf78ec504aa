"""Names that appear on the Kubernetes side: group, kinds, labels, annotations, finalizer."""

from collections.abc import Mapping
from typing import Any

from thing_operator.core.resource import Resource
from thing_operator.shadow.topics import THING_NAME

GROUP = "thing-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

THING_KIND = "Thing"
THING_PLURAL = "things"
BATCH_KIND = "ThingBatch"
BATCH_PLURAL = "thingbatches"

THINGS = Resource(GROUP, VERSION, THING_PLURAL, THING_KIND)
BATCHES = Resource(GROUP, VERSION, BATCH_PLURAL, BATCH_KIND)

FINALIZER = f"{GROUP}/shadow"
"""On a Thing whose deletionPolicy asks for work on the shadow, and on no other."""

FIELD_MANAGER = "thing-operator"

BATCH_FINALIZER = f"{GROUP}/children"
"""On a ThingBatch whose deletionPolicy is Delete, and on no other."""

BATCH_LABEL = f"{GROUP}/batch"
"""Name of the ThingBatch that made a Secret or a Thing."""

BATCH_UID_ANNOTATION = f"{GROUP}/batch-uid"
"""On what is deleted with the ThingBatch of this uid, and with no other of the same name."""

THING_NAME_LABEL = f"{GROUP}/thing-name"
"""The thing name, where it is a legal label value."""

THING_NAME_ANNOTATION = f"{GROUP}/thing-name"
"""The thing name, always."""

ARGO_IGNORE_UPDATES_ANNOTATION = "argocd.argoproj.io/ignore-resource-updates"
"""Keeps Argo CD from reconciling its application at each status write of a child it does not track."""

THING_NAME_PATTERN = f"^{THING_NAME.pattern}$"
"""AWS IoT's rule for thing names (docs/background/aws-iot-shadow.md#names)."""

TEMPLATE_HASH_ANNOTATION = f"{GROUP}/template-hash"
"""On a Thing made by a ThingBatch: which state of the template it was made after."""


def thing_name_of(body: Mapping[str, Any]) -> str:
    """Which thing a Thing is for: by its status, which has the whole name of a networked child, or else by its spec."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return str(status.get("thingName") or spec.get("thingName") or body["metadata"]["name"])
