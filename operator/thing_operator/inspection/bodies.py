"""What the API server has of a Thing, as the models of spec and status. Pure."""

from collections.abc import Mapping

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.core.reasons import Reason
from thing_operator.core.thing_names import secret_name
from thing_operator.inspection.model import Body
from thing_operator.shadow.pointers import Path, get


def spec_of(body: Body) -> ThingSpec:
    """What the Thing is to be."""
    return ThingSpec.model_validate(body.get("spec") or {})


def status_of(body: Body) -> ThingStatus:
    """What is known of it; empty where no operator has seen it."""
    return ThingStatus.model_validate(body.get("status") or {})


def secret_name_of(body: Body) -> str | None:
    """The Secret that the spec names, or else the one that a ThingBatch makes; None: a networked child has none."""
    spec = spec_of(body)
    if spec.parent_ref is not None:
        return None
    named = spec.credentials.secret_name if spec.credentials else None
    return named or secret_name(spec.thing_name or body["metadata"]["name"])


def parent_of(body: Body) -> str:
    """The Thing on whose session this one speaks; empty for one with a session of its own."""
    return ((body.get("spec") or {}).get("parentRef") or {}).get("name") or ""


def is_true(status: ThingStatus, kind: ConditionType) -> bool:
    """Whether the status has that condition, and it is True."""
    found = find_condition(status.conditions, kind)
    return found is not None and found.status == "True"


def is_suspended(status: ThingStatus) -> bool:
    """Whether conditions and shadow are of before a suspension, of the Thing or of its parent."""
    connected = find_condition(status.conditions, ConditionType.CONNECTED)
    return connected is not None and connected.reason == Reason.SUSPENDED


def is_outdated(body: Body, status: ThingStatus) -> bool:
    """Whether the spec has changed since the operator last looked at it."""
    seen = status.observed_generation
    return seen is not None and seen < body["metadata"].get("generation", 0)


def value_at(section: JsonObject, path: Path) -> JsonValue:
    """The value there, None where there is none: a shadow has no null."""
    try:
        return get(section, path)
    except KeyError:
        return None


def is_within(path: Path, others: Mapping[Path, JsonValue]) -> bool:
    """Whether the path is one of the others or below one."""
    return any(path[: len(each)] == each for each in others)
