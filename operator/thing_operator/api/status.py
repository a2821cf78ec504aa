"""What the status of both kinds has alike."""

from pydantic import Field

from thing_operator.api.conditions import Condition
from thing_operator.api.model import ApiModel


class ObjectStatus(ApiModel):
    """What both kinds have in status. Written by the operator only; nothing in it changes by time alone."""

    observed_generation: int | None = Field(
        default=None,
        description="The metadata.generation of the last completed pass; -1 before the first.",
        json_schema_extra={"format": "int64"},
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Ready, and for a Thing CredentialsValid, Connected and InSync; Reconciling and Stalled "
        "only while true.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
