"""Which generation the shadow service has accepted, and how long that took. Pure.

The status remembers it in ``acceptedGeneration``: Ready alone cannot, since it turns False for other reasons, too.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from thing_operator.api.conditions import Condition, ConditionType, find_condition
from thing_operator.api.thing import ThingStatus
from thing_operator.core.json_values import JsonObject, JsonValue, json_equal
from thing_operator.shadow.pointers import Path, leaves


def ready_generation(conditions: Collection[Condition]) -> int | None:
    """The generation of which Ready is True, None while it is not."""
    ready = find_condition(conditions, ConditionType.READY)
    return ready.observed_generation if ready is not None and ready.status == "True" else None


def is_accepted(status: ThingStatus, generation: int) -> bool:
    """Whether the shadow service is known to have accepted the desired state of this generation, whatever has become of
    Ready since.

    Of a status that an earlier version has written, Ready alone says so.
    """
    if _is_of_another_object(status, generation):
        return False
    return generation in {status.accepted_generation, ready_generation(status.conditions)}


def accepted_generation(
    previous: ThingStatus,
    conditions: Collection[Condition],
    *,
    generation: int,
    accepted: bool,
    known: int | None = None,
) -> int | None:
    """What is to be remembered after a reconcile of ``generation`` that came to these conditions; None for nothing.

    ``accepted``: it found the shadow as desired. ``known``: the newest generation that this process has found so, which
    the status may say although the answer to its write was lost.
    """
    ready_before = ready_generation(previous.conditions)
    newest: int | None = generation
    if not accepted:
        is_other = _is_of_another_object(previous, generation)
        said = None if is_other else previous.accepted_generation or ready_before
        newest = max((each for each in (said, known) if each is not None), default=None)
    # An upgrade writes nothing: what an earlier version has left is completed once Ready does not say it any more.
    is_said = newest == ready_before == ready_generation(conditions)
    return None if previous.accepted_generation is None and is_said else newest


def _is_of_another_object(status: ThingStatus, generation: int) -> bool:
    """Whether the status came from a backup: the generations of an object that is made once more begin with 1 again."""
    return (status.observed_generation or 0) > generation


@dataclass(slots=True)
class Acceptance:
    """How long the shadow service's acceptance of each generation takes. Times are monotonic seconds."""

    generation: int = 0
    """The one that is expected, or that has arrived."""
    newest: int | None = None
    """The newest that has arrived, or was accepted before; None for none."""
    _since: float | None = None

    def expect(self, generation: int, *, now: float, accepted: bool) -> None:
        """This generation is wanted from now on; ``accepted``: it was before this process began."""
        self.generation, self._since = generation, None if accepted else now
        if accepted:
            self.newest = generation

    def has_arrived(self, generation: int) -> bool:
        """Whether this generation is accepted, as far as this process knows: a status that says so may still have to be
        written.
        """
        return self.generation == generation and self._since is None

    def arrived(self, *, now: float) -> float | None:
        """The expected generation is accepted: seconds since it was first wanted, once."""
        since, self._since = self._since, None
        self.newest = self.generation
        return None if since is None else now - since


@dataclass(slots=True)
class AnsweredValues:
    """What the shadow service has taken of a generation, update by update, whatever others made of it since."""

    _values: dict[Path, JsonValue] = field(default_factory=dict)
    """By section and path."""

    def add(self, *, desired: JsonObject | None, reported: JsonObject | None) -> None:
        """The service has taken this of each section."""
        self._values |= _leaves(desired, reported)

    def have_all_of(self, *, desired: JsonObject | None, reported: JsonObject | None) -> bool:
        """Whether each of these values was taken before."""
        return all(
            path in self._values and json_equal(value, self._values[path])
            for path, value in _leaves(desired, reported).items()
        )

    def clear(self) -> None:
        """Another generation comes, or it is known that this one is accepted."""
        self._values = {}


def _leaves(desired: JsonObject | None, reported: JsonObject | None) -> dict[Path, JsonValue]:
    return dict(leaves({"desired": desired or {}, "reported": reported or {}}))
