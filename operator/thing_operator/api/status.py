"""What the status of both kinds has in common."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

from pydantic import Field

from thing_operator.api.conditions import Condition, impaired_conditions
from thing_operator.api.model import ApiModel, JsonObject
from thing_operator.core.reasons import Reason

_LARGE: Final = frozenset({"shadow", "things"})
"""What may be large in a status; all else is a few lines, or is what the operator remembers by."""
_MEMORY: Final = frozenset({"acceptedGeneration", "acceptedTime", "managedPaths", "managedReportedPaths"})
"""What the operator remembers by. One goes with the others: where a status names what was accepted, a log of intents
has no more to say of the paths that were sent.
"""


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
        "Reconciling, Stalled, MirrorTruncated, MetricsIncomplete and JobsUnavailable are present only while they "
        "are True.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )

    def or_decided_since(self, unwritten: Self) -> Self:
        """The newer of two: this one, which the API server holds, or ``unwritten``, which was decided after it and may
        be on its way there; an empty one for none.
        """
        return self if unwritten.observed_generation is None else unwritten


def reduced_status(
    held: Mapping[str, Any], refused: Mapping[str, Any], why: str, *, now: datetime
) -> JsonObject:
    """The status of an object whose status ``refused`` the API server does not take: that of before, which it
    ``held``, without what may be large, with the memory of the refused one, and with ``why`` in Ready and Stalled.
    """
    before = ObjectStatus.model_validate(held)
    generation: int = refused.get("observedGeneration") or -1
    conditions = impaired_conditions(
        before.conditions,
        Reason.API_SERVER_REFUSED,
        f"the API server does not take the status of this object: {why}",
        stalled=True,
        generation=generation,
        now=now,
    )
    said = ObjectStatus(observed_generation=generation, conditions=conditions)
    kept = {name: value for name, value in held.items() if name not in _LARGE | _MEMORY}
    memory = {name: value for name, value in refused.items() if name in _MEMORY}
    return kept | memory | said.to_wire()
