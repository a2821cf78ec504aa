"""Simulated values of ``spec.device.simulate``, as docs/tasks/devices.md explains them."""

from typing import Annotated, Any

from pydantic import Field

from thing_operator.api.model import ApiModel, DurationText, JsonPointer, at_most, duration_rule, rules

_LONGEST_PERIOD = "8784h"
_ONE_OF = ("constant", "counter", "ramp", "sine", "randomWalk", "choice")

Number = Annotated[float, Field(json_schema_extra={"type": "number"})]


Decimals = Annotated[int, Field(ge=0, le=9, json_schema_extra={"format": "int32"})]
_DECIMALS = "Digits after the decimal point, 0 to 9; 0 gives whole numbers. Default: 2."


class Counter(ApiModel):
    """Generator of start, start + step, start + 2 step and so on."""

    start: Number | None = Field(default=None, description="First value. Default: 0.")
    step: Number | None = Field(default=None, description="Difference between two values. Default: 1.")


class Ramp(ApiModel):
    """Generator of a saw tooth: from one value to another in even steps, then from the start again."""

    start: Number = Field(description="First value of the saw tooth.", alias="from")
    end: Number = Field(description="Last value of the saw tooth.", alias="to")
    steps: Annotated[int, Field(ge=1, json_schema_extra={"format": "int32"})] = Field(
        description="Number of steps from the first value to the last, at least 1."
    )
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class Sine(ApiModel):
    """Generator of a sine wave."""

    mean: Number = Field(description="Mean of the wave, its value when the Thing is created.")
    amplitude: Number = Field(description="Largest distance from the mean.")
    period: Annotated[DurationText, at_most(_LONGEST_PERIOD)] = Field(
        description="Duration of one whole wave, above zero and at most 8784h (a year), for example 1h.",
        json_schema_extra=rules(
            duration_rule(),
            duration_rule("> duration('0s')", "period must be above zero"),
            duration_rule(f"<= duration('{_LONGEST_PERIOD}')", f"period must be at most {_LONGEST_PERIOD}"),
        ),
    )
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class RandomWalk(ApiModel):
    """Generator of random steps between two bounds."""

    start: Number = Field(description="First value, between minimum and maximum.")
    step: Number = Field(description="Largest difference between two values.")
    minimum: Number | None = Field(default=None, description="Lower bound of the values. Default: none.")
    maximum: Number | None = Field(default=None, description="Upper bound of the values. Default: none.")
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class Simulation(ApiModel):
    """One simulated value: where, how often, and exactly one generator."""

    path: JsonPointer = Field(
        description="JSON Pointer (RFC 6901) into the shadow's reported, for example /temperature."
    )
    every: Annotated[DurationText, at_most(_LONGEST_PERIOD)] = Field(
        description="Duration between two values, at least 1s and at most 8784h (a year), for example 10s.",
        json_schema_extra=rules(
            duration_rule(),
            duration_rule(">= duration('1s')", "every must be at least 1s"),
            duration_rule(f"<= duration('{_LONGEST_PERIOD}')", f"every must be at most {_LONGEST_PERIOD}"),
        ),
    )
    seed: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = Field(
        default=None,
        description="Seed of the random numbers: the same seed gives the same values. Default: derived from "
        "thing name and path.",
    )
    buffer: bool | None = Field(
        default=None,
        description="true: values of a time without a connection are kept in memory, within the operator's "
        "device.bufferLimit and device.bufferAge, and delivered to MIC's history later, with their own "
        "time. Default: false, they are dropped.",
    )
    constant: Any = Field(
        default=None,
        description="Generator of always the same value: any JSON.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    counter: Counter | None = Field(default=None, description="Generator that counts up or down.")
    ramp: Ramp | None = Field(default=None, description="Generator of a saw tooth.")
    sine: Sine | None = Field(default=None, description="Generator of a sine wave.")
    random_walk: RandomWalk | None = Field(
        default=None, description="Generator of random steps between two bounds."
    )
    choice: Annotated[tuple[Any, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Generator that draws one of these values each time, 1 to 64 of one JSON type.",
        json_schema_extra={
            "items": {"x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "atomic",
        },
    )

    # Not a CEL rule: CEL does not see fields without a type, and constant has none. Where none is given, the API
    # server says that what the first alternative requires is missing: so that one is in words, and no field.
    model_config = ApiModel.model_config | {
        "json_schema_extra": {
            "oneOf": [{"required": [name]} for name in (f"one of {', '.join(_ONE_OF)}", *_ONE_OF)]
        }
    }
