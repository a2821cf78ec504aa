"""The two CustomResourceDefinitions as documents; ``crds/`` holds them as YAML (``make crds``)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from thing_operator.api import names
from thing_operator.api.conditions import Condition, ConditionType
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
    spec = structural_schema(ThingSpec)
    spec.setdefault("x-kubernetes-validations", []).append(
        {
            "rule": "has(self.thingName) == has(oldSelf.thingName) && "
            "(!has(self.thingName) || self.thingName == oldSelf.thingName)",
            "message": "thingName is immutable and may not be added or removed later: make another Thing",
        }
    )
    root_rule = {
        "rule": f"has(self.spec.thingName) || self.metadata.name.matches('{names.THING_NAME_PATTERN}')",
        "message": "metadata.name is not a legal thing name (letters, digits, ':', '_', '-', at most 128): "
        "set spec.thingName",
    }
    return _crd(
        kind=names.THING_KIND,
        plural=names.THING_PLURAL,
        short_name="thg",
        schema=_schema(
            "A virtual thing of MIC, whose MQTT session the operator holds: spec is its desired state, status "
            "shows its device shadow and what keeps it from the desired state.",
            spec=spec,
            status=structural_schema(ThingStatus),
            rules=[root_rule],
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
            _column("VERSION", "integer", ".status.shadow.version", wide=True),
            _column("ACCEPTED", "date", ".status.acceptedTime", wide=True),
            _condition_column("MESSAGE", "Ready", field="message", wide=True),
        ],
        selectable_fields=[".spec.thingName"],
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
    rules: list[dict[str, str]] | None = None,
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
    return schema | ({"x-kubernetes-validations": rules} if rules else {})


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
