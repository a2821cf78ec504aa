"""Simulated values of ``spec.device.simulate``, as docs/tasks/devices.md explains them."""

from typing import Annotated, Any

from pydantic import Field

from thing_operator.api.model import DURATION_PATTERN, ApiModel, JsonPointer, rules

_ONE_OF = ("constant", "counter", "ramp", "sine", "randomWalk", "choice")

Number = Annotated[float, Field(json_schema_extra={"type": "number"})]


Decimals = Annotated[int, Field(ge=0, le=9, json_schema_extra={"format": "int32"})]
_DECIMALS = "Digits after the point. Default 2; 0 gives whole numbers."


class Counter(ApiModel):
    """start, start + step, start + 2 step, ..."""

    start: Number | None = Field(default=None, description="First value. Default 0.")
    step: Number | None = Field(default=None, description="Added at each tick. Default 1.")


class Ramp(ApiModel):
    """From one value to another in even steps, then again from the start."""

    start: Number = Field(description="First value.", alias="from")
    end: Number = Field(description="Last value.", alias="to")
    steps: Annotated[int, Field(ge=1, json_schema_extra={"format": "int32"})] = Field(
        description="Number of ticks from one to the other."
    )
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class Sine(ApiModel):
    """A wave around a mean."""

    mean: Number = Field(description="Middle of the wave.")
    amplitude: Number = Field(description="Largest distance from the middle.")
    period: Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)] = Field(
        description="Time of one whole wave, for example 1h.",
        json_schema_extra=rules(("duration(self) > duration('0s')", "period must be above zero")),
    )
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class RandomWalk(ApiModel):
    """Starts somewhere and takes small random steps between two bounds."""

    start: Number = Field(description="First value.")
    step: Number = Field(description="Largest step at one tick.")
    minimum: Number | None = Field(default=None, description="Lower bound.")
    maximum: Number | None = Field(default=None, description="Upper bound.")
    decimals: Decimals | None = Field(default=None, description=_DECIMALS)


class Simulation(ApiModel):
    """One simulated value of a virtual device."""

    path: JsonPointer = Field(description="JSON Pointer into reported, for example /temperature.")
    every: Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)] = Field(
        description="Time between two values, from 1s.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "every must be at least 1s")),
    )
    seed: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = Field(
        default=None, description="Makes the values reproducible. Default: made from thing name and path."
    )
    buffer: bool | None = Field(
        default=None,
        description="true: values that fall into a time without a connection are kept, within the operator's "
        "bounds, and delivered to MIC's history afterwards with their own time.",
    )
    constant: Any = Field(
        default=None,
        description="Always this value.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    counter: Counter | None = Field(default=None, description="Counts up or down.")
    ramp: Ramp | None = Field(default=None, description="A saw tooth.")
    sine: Sine | None = Field(default=None, description="A wave.")
    random_walk: RandomWalk | None = Field(default=None, description="Small random steps.")
    choice: Annotated[tuple[Any, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="One of these, drawn at each tick.",
        json_schema_extra={
            "items": {"x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "atomic",
        },
    )

    # Not a CEL rule: CEL does not see fields without a type, and constant has none.
    model_config = ApiModel.model_config | {
        "json_schema_extra": {"oneOf": [{"required": [name]} for name in _ONE_OF]}
    }
