"""The two CustomResourceDefinitions as documents; ``crds/`` holds them as YAML (``make crds``)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from thing_operator.api import names
from thing_operator.api.conditions import Condition, ConditionType
from thing_operator.api.model import rules
from thing_operator.api.schema import structural_schema
from thing_operator.api.status import ObjectStatus
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.api.thingbatch import ThingBatchSpec, ThingBatchStatus
from thing_operator.core.reasons import Reason

Crd = dict[str, Any]

# An object that no operator has seen yet must not look finished (kstatus, helm-controller #294), and says so itself.
NOT_SEEN_STATUS = ObjectStatus(
    observed_generation=-1,
    conditions=(
        Condition(
            type=ConditionType.READY,
            status="Unknown",
            reason=Reason.NOT_SEEN,
            message="no operator has seen this object: is one running, and does it watch this namespace?",
            last_transition_time=datetime.fromtimestamp(0, UTC),
        ),
    ),
).to_wire()
"""The status with which the API server creates an object."""


def _unchanged(name: str) -> str:
    """The rule that a field has the value with which the object was created, or is still absent."""
    return f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"


_PRESENCE = "has(self.device) && has(self.device.connectionStatus) && self.device.connectionStatus"
_JOBS = "has(self.device) && has(self.device.jobs) && self.device.jobs != 'Ignore'"

_SPEC_RULES = (
    (
        _unchanged("thingName"),
        "thingName is immutable and may not be added or removed later: make another Thing",
    ),
    (
        _unchanged("parentRef"),
        "parentRef is immutable and may not be added or removed later: make another Thing",
    ),
    (
        "!has(self.parentRef) || !(has(self.credentials) || has(self.endpoint))",
        "a networked child has the credentials and the endpoint of its parent: leave credentials and endpoint out",
    ),
    (
        "!has(self.parentRef) || !has(self.thingName) || !self.thingName.contains('__')",
        "with parentRef, thingName is the child's own part of the name and may not contain two underscores in a row",
    ),
    (
        f"!has(self.parentRef) || !({_PRESENCE})",
        "a networked child has no connection of its own: set device.connectionStatus of its parent",
    ),
    (
        f"!has(self.parentRef) || !({_JOBS})",
        "jobs are for the thing with the certificate, and a networked child has none: set device.jobs of its parent",
    ),
)
"""CEL rules of a Thing's spec, and what their messages are."""

_THING_RULES = (
    (
        f"has(self.spec.thingName) || self.metadata.name.matches('{names.THING_NAME_PATTERN}')",
        "metadata.name is not a legal thing name (letters, digits, ':', '_', '-', at most 128): set spec.thingName",
    ),
    (
        "!has(self.spec.parentRef) || self.spec.parentRef.name != self.metadata.name",
        "a Thing cannot be its own parent: name another Thing in spec.parentRef",
    ),
)

_HEADER = "# Generated from operator/thing_operator/api by `make crds`; do not edit.\n"


def all_crds() -> dict[str, Crd]:
    """File name to CustomResourceDefinition."""
    found = (_thing(), _thing_batch())
    return {f"{crd['metadata']['name']}.yaml": crd for crd in found}


def to_yaml(crd: Crd) -> str:
    """One CRD as it stands in ``crds/``."""
    return _HEADER + yaml.dump(crd, Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts out again instead of anchors, which people and some tools trip over."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the library's
        return True


def _thing() -> Crd:
    spec = structural_schema(ThingSpec) | rules(*_SPEC_RULES)
    return _crd(
        kind=names.THING_KIND,
        plural=names.THING_PLURAL,
        short_name="thg",
        schema=_schema(
            "A virtual thing of MIC, whose MQTT session the operator holds: spec is its desired state, status "
            "shows its device shadow and what keeps it from the desired state.",
            spec=spec,
            status=structural_schema(ThingStatus),
            rules=rules(*_THING_RULES),
        ),
        columns=[
            _condition_column("READY", "Ready"),
            _condition_column("IN-SYNC", "InSync"),
            _condition_column("CONNECTED", "Connected"),
            _condition_column("REASON", "Ready", field="reason"),
            _column("PENDING", "integer", ".status.shadow.pendingCount"),
            _column("REPORTED", "date", ".status.shadow.reportedTime"),
            _column("AGE", "date", ".metadata.creationTimestamp"),
            _column("THING", "string", ".status.thingName", wide=True),
            _column("PARENT", "string", ".spec.parentRef.name", wide=True),
            _column("VERSION", "integer", ".status.shadow.version", wide=True),
            _column("ACCEPTED", "date", ".status.acceptedTime", wide=True),
            _condition_column("MESSAGE", "Ready", field="message", wide=True),
        ],
        selectable_fields=[".spec.thingName", ".spec.parentRef.name"],
    )


def _thing_batch() -> Crd:
    return _crd(
        kind=names.BATCH_KIND,
        plural=names.BATCH_PLURAL,
        short_name="thgb",
        schema=_schema(
            "A batch of things from MIC: one Secret and, on request, one Thing for every folder of its zip.",
            spec=structural_schema(ThingBatchSpec),
            status=structural_schema(ThingBatchStatus),
        ),
        columns=[
            _condition_column("READY", "Ready"),
            _condition_column("REASON", "Ready", field="reason"),
            _column("TOTAL", "integer", ".status.total"),
            _column("IMPORTED", "integer", ".status.imported"),
            _column("FAILED", "integer", ".status.failed"),
            _column("AGE", "date", ".metadata.creationTimestamp"),
            _condition_column("MESSAGE", "Ready", field="message", wide=True),
        ],
    )


def _column(name: str, kind: str, path: str, *, wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": 1} if wide else column


def _condition_column(
    name: str, condition: str, *, field: str = "status", wide: bool = False
) -> dict[str, Any]:
    path = f".status.conditions[?(@.type=='{condition}')].{field}"
    return _column(name, "string", path, wide=wide)


def _schema(
    description: str,
    *,
    spec: dict[str, Any],
    status: dict[str, Any],
    rules: dict[str, Any] | None = None,
) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the API."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": spec,
            # Atomic: it is written whole by one writer, and the API server then keeps no owner for each leaf of it.
            "status": status | {"default": NOT_SEEN_STATUS, "x-kubernetes-map-type": "atomic"},
        },
    }
    return schema | (rules or {})


def _crd(
    *,
    kind: str,
    plural: str,
    short_name: str,
    schema: dict[str, Any],
    columns: list[dict[str, Any]],
    selectable_fields: Sequence[str] = (),
) -> Crd:
    """``selectable_fields``: by which objects can be listed and watched, ``kubectl get --field-selector``."""
    version: Crd = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    if selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in selectable_fields]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short_name],
                "categories": ["iot"],
            },
            "scope": "Namespaced",
            "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
        },
    }
