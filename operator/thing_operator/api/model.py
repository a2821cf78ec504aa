"""What the models of both kinds share."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from thing_operator.core.durations import DURATION_LENGTH, DURATION_PATTERN, NO_DURATION, parse_duration
from thing_operator.core.host_names import HOST_NAME_LENGTH, HOST_NAME_PATTERN, NO_HOST_NAME
from thing_operator.core.object_names import OBJECT_NAME_LENGTH, OBJECT_NAME_PATTERN

JsonObject = dict[str, Any]


class ApiModel(BaseModel):
    """Frozen, camelCase on the wire. Unknown keys are ignored: the API server has pruned them already."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_enum_values=False
    )

    def to_wire(self) -> dict[str, Any]:
        """As JSON for the API server: absent keys left out, times in UTC with a Z."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules of a schema: pairs of (expression, message that says what to do)."""
    found = [{"rule": expression, "message": message} for expression, message in pairs]
    return {"x-kubernetes-validations": found}


def duration_rule(comparison: str = "", message: str = NO_DURATION) -> tuple[str, str]:
    """The CEL rule of a duration, for :func:`rules`, or of how it compares: ``>= duration('1s')``.

    What is no duration is left to the rule without a comparison: CEL would say in its own words that it cannot compare.
    """
    matches = f"self.matches('{DURATION_PATTERN}')"
    return (f"!{matches} || duration(self) {comparison}" if comparison else matches), message


def at_most(longest: str) -> AfterValidator:
    """Refuses a duration above ``longest``, which a CRD without that rule has let in."""

    def check(text: str) -> str:
        if parse_duration(text) > parse_duration(longest):
            raise ValueError(f"a duration of at most {longest} is expected")
        return text

    return AfterValidator(check)


FREE_JSON: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""Any JSON object; in spec granular, so that two appliers can own different keys of it."""

DATA_KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"

ObjectName = Annotated[str, Field(pattern=OBJECT_NAME_PATTERN, max_length=OBJECT_NAME_LENGTH)]
DataKey = Annotated[str, Field(pattern=DATA_KEY_PATTERN, max_length=253)]
JsonPointer = Annotated[str, Field(pattern=r"^(/([^/~]|~[01])*)+$", max_length=1024)]
HostName = Annotated[
    str,
    Field(
        pattern=HOST_NAME_PATTERN,
        max_length=HOST_NAME_LENGTH,
        json_schema_extra=rules((f"self.matches('{HOST_NAME_PATTERN}')", NO_HOST_NAME)),
    ),
]
DurationText = Annotated[
    str,
    Field(pattern=DURATION_PATTERN, max_length=DURATION_LENGTH, json_schema_extra=rules(duration_rule())),
]
LONGEST_DELAY: Final = "24h"
DelayText = Annotated[
    DurationText,
    Field(
        json_schema_extra=rules(
            duration_rule(),
            duration_rule(f"<= duration('{LONGEST_DELAY}')", f"at most {LONGEST_DELAY} is expected"),
        )
    ),
    at_most(LONGEST_DELAY),
]
