"""Which numbers of ``reported`` become metrics: of one Thing as its spec asks for them, of all within a bound. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from thing_operator.api.thing import MirrorSpec
from thing_operator.api.value_metrics import ValueMetric
from thing_operator.core.json_values import JsonObject, JsonValue, number_of
from thing_operator.core.resource import ObjectKey
from thing_operator.shadow.pointers import from_pointer, get


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One number of a Thing, and the gauge that it is of."""

    name: str
    text: str
    """Help of the gauge."""
    value: float


def values_of(reported: JsonObject, mirror: MirrorSpec | None) -> tuple[MetricValue, ...]:
    """The numbers that ``spec.mirror.metrics`` asks for and that are reported; of one gauge the first."""
    found: dict[str, MetricValue] = {}
    for metric in _metrics(mirror):
        value = number_of(_at(reported, metric))
        if value is not None:
            text = metric.help or f"{metric.pointer} of what a thing reports."
            found.setdefault(metric.full_name, MetricValue(metric.full_name, text, value))
    return tuple(found.values())


def no_numbers(reported: JsonObject, mirror: MirrorSpec | None) -> tuple[str, ...]:
    """The pointers of ``spec.mirror.metrics`` where something is reported that is no number."""
    return tuple(
        metric.pointer
        for metric in _metrics(mirror)
        if (value := _at(reported, metric)) is not None and number_of(value) is None
    )


def within(
    values: Mapping[ObjectKey, Sequence[MetricValue]], limit: int
) -> list[tuple[ObjectKey, MetricValue]]:
    """At most ``limit`` of all values, in the order of the Things' keys.

    Where there are more, each namespace gets as many as any other, and what one does not need is shared by the rest:
    a tenant's many values do not take away another's few.
    """
    ordered = [(key, value) for key in sorted(values) for value in values[key]]
    if len(ordered) <= limit:
        return ordered
    spaces = [list(group) for _, group in groupby(ordered, key=lambda pair: pair[0].namespace)]
    left, chosen = limit, []
    for place, pairs in enumerate(sorted(spaces, key=len)):
        part = pairs[: left // (len(spaces) - place)]
        left -= len(part)
        chosen += part
    return sorted(chosen, key=lambda pair: pair[0])


def _metrics(mirror: MirrorSpec | None) -> Iterable[ValueMetric]:
    return (mirror.metrics if mirror else None) or ()


def _at(reported: JsonObject, metric: ValueMetric) -> JsonValue:
    """What is reported there, None for nothing: a shadow has no null."""
    try:
        return get(reported, from_pointer(metric.pointer))
    except KeyError:
        return None
