"""What the status of both kinds has in common."""

from pydantic import Field

from thing_operator.api.conditions import Condition
from thing_operator.api.model import ApiModel


class ObjectStatus(ApiModel):
    """Observed state, written by the operator. Nothing in it changes by the passing of time alone."""

    observed_generation: int | None = Field(
        default=None,
        description="metadata.generation that the operator last reconciled; -1 before the first time.",
        json_schema_extra={"format": "int64"},
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Conditions by type: Ready, and for a Thing CredentialsValid, Connected and InSync; "
        "Reconciling and Stalled are present only while they are True.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
