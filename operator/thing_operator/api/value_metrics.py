"""Numbers of ``reported`` as metrics: what a Thing may ask for."""

from typing import Annotated, Final

from pydantic import Field

from thing_operator.api.model import ApiModel, JsonPointer, rules

MOST_OF_ONE_THING: Final = 8
_WORDS: Final = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
_RESERVED: Final = "total|info|created|bucket|count|sum|gcount|gsum"
"""What a name may not end with: OpenMetrics gives it a meaning that a gauge has not."""

_Unit = Annotated[
    str,
    Field(
        pattern=_WORDS,
        max_length=32,
        json_schema_extra=rules(
            (
                f"!self.matches('(^|_)({_RESERVED})$')",
                "a unit is expected, such as celsius; total, info, created, bucket, count, sum are reserved",
            )
        ),
    ),
]


class ValueMetric(ApiModel):
    """A number of the shadow's reported as a Prometheus gauge, thing_value_<name>_<unit>."""

    pointer: JsonPointer = Field(
        description="JSON Pointer (RFC 6901) into the shadow's reported, for example /temperature. What is no number "
        "there is left out, with the condition MetricsIncomplete; what is not there is no metric."
    )
    name: Annotated[str, Field(pattern=_WORDS, max_length=64)] = Field(
        description="What is measured: lower-case words joined by underscores, for example temperature. The gauge is "
        "thing_value_<name>_<unit> with the labels namespace and thing; Things with the same name and unit share it, "
        "with another unit it is another gauge."
    )
    unit: _Unit = Field(
        description="Unit of the number, as OpenMetrics has them: lower-case words in the plural, for example celsius, "
        "seconds, bytes, volts, ratio, meters_per_second. Values are not converted."
    )
    help: Annotated[str, Field(max_length=256)] | None = Field(
        default=None,
        description="Help text of the gauge; of several Things, the first one's by namespace and name counts. Default: "
        "the pointer.",
    )

    @property
    def full_name(self) -> str:
        """The name of the gauge in Prometheus."""
        return f"thing_value_{self.name}_{self.unit}"
