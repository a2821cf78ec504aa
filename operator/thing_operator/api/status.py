"""What the status of both kinds has alike."""

from typing import Any

from pydantic import Field

from thing_operator.api.conditions import Condition
from thing_operator.api.model import ApiModel


class ObjectStatus(ApiModel):
    """Written by the operator only. Nothing in it ticks."""

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

    def to_wire(self) -> dict[str, Any]:
        """The status as JSON for the API server: absent keys left out, times in UTC with a Z."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
