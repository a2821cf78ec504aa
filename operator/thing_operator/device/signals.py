"""Made-up values: each a function of its seed, the number of its tick and its last value.

Nothing is remembered between two runs of the operator: ticks are counted from the Thing's creation, and a random walk
goes on from what the shadow reports. One path keeps one JSON type for ever, since MIC's index fixes the type of a
resource at its first value (docs/background/mic.md#time-and-types).
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from thing_operator.api.simulation import Counter, Ramp, RandomWalk, Simulation, Sine
from thing_operator.core.durations import parse_duration
from thing_operator.core.json_values import JsonValue
from thing_operator.device.errors import InvalidDeviceError
from thing_operator.shadow.pointers import Path, from_pointer

_DECIMALS: Final = 2

Value = Callable[[int, JsonValue], JsonValue]
"""From the tick's number (0 at the Thing's creation) and the value before it (None at first) to the value."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One simulated path: which value it has at which tick, and how often it ticks."""

    path: Path
    every: timedelta
    buffer: bool
    """Values that fall into a time without a connection are kept and delivered later."""
    value: Value


def make_signal(simulation: Simulation, *, thing_name: str) -> Signal:
    """Raises InvalidDeviceError for no generator, bounds that no value can keep, and choices of several JSON types."""
    seed = simulation.seed if simulation.seed is not None else f"{thing_name}{simulation.path}"
    every = parse_duration(simulation.every)
    return Signal(
        path=from_pointer(simulation.path),
        every=every,
        buffer=bool(simulation.buffer),
        value=_value(simulation, seed=str(seed), every=every),
    )


def _value(simulation: Simulation, *, seed: str, every: timedelta) -> Value:
    if simulation.counter is not None:
        return _counter(simulation.counter)
    if simulation.ramp is not None:
        return _ramp(simulation.ramp)
    if simulation.sine is not None:
        return _sine(simulation.sine, every=every)
    if simulation.random_walk is not None:
        return _random_walk(simulation.random_walk, seed=seed, place=simulation.path)
    if simulation.choice is not None:
        return _choice(simulation.choice, seed=seed, place=simulation.path)
    if simulation.constant is None:
        raise InvalidDeviceError(
            f"spec.device.simulate {simulation.path}: its generator is null: name one, or apply the manifest once "
            "more if it says {} there (server-side apply makes null of what it empties)"
        )
    constant = simulation.constant
    return lambda _number, _before: constant


def _counter(spec: Counter) -> Value:
    start = spec.start or 0.0
    step = 1.0 if spec.step is None else spec.step
    if start.is_integer() and step.is_integer():
        return lambda number, _before: int(start) + number * int(step)
    return lambda number, _before: round(start + number * step, 9)


def _ramp(spec: Ramp) -> Value:
    finish = _rounding(spec.decimals)
    distance = spec.end - spec.start
    return lambda number, _before: finish(spec.start + distance * (number % (spec.steps + 1)) / spec.steps)


def _sine(spec: Sine, *, every: timedelta) -> Value:
    finish = _rounding(spec.decimals)
    share = every / parse_duration(spec.period)

    def value(number: int, _before: JsonValue) -> JsonValue:
        return finish(spec.mean + spec.amplitude * math.sin(2 * math.pi * (number * share % 1.0)))

    return value


def _random_walk(spec: RandomWalk, *, seed: str, place: str) -> Value:
    low = -math.inf if spec.minimum is None else spec.minimum
    high = math.inf if spec.maximum is None else spec.maximum
    if not low <= spec.start <= high:
        raise InvalidDeviceError(
            f"spec.device.simulate {place}: randomWalk.start must lie between minimum and maximum"
        )
    finish = _rounding(spec.decimals)

    def value(number: int, before: JsonValue) -> JsonValue:
        if not isinstance(before, int | float) or isinstance(before, bool):
            return finish(spec.start)
        moved = before + spec.step * (2 * _draw(seed, number) - 1)
        return finish(min(high, max(low, moved)))

    return value


def _choice(values: Sequence[JsonValue], *, seed: str, place: str) -> Value:
    kinds = {_json_type(value) for value in values}
    if len(kinds) > 1:
        raise InvalidDeviceError(
            f"spec.device.simulate {place}: choice mixes {' and '.join(sorted(kinds))}; MIC keeps one type for each "
            "resource: use one"
        )
    fractional = any(isinstance(value, float) for value in values)
    options = [float(value) if fractional and isinstance(value, int) else value for value in values]
    return lambda number, _before: options[int(_draw(seed, number) * len(options))]


def _json_type(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "booleans"
    if isinstance(value, int | float):
        return "numbers"
    if isinstance(value, str):
        return "strings"
    return "arrays" if isinstance(value, list) else "objects"


def _rounding(decimals: int | None) -> Callable[[float], int | float]:
    """To whole numbers for 0, else to a number that always has a point in it."""
    if decimals == 0:
        return round
    digits = _DECIMALS if decimals is None else decimals
    return lambda value: round(float(value), digits)


def _draw(seed: str, number: int) -> float:
    """From 0 up to 1, the same for the same arguments on every machine and in every version of Python."""
    digest = hashlib.blake2b(f"{seed}#{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
