"""What a Thing that is deleted does to its shadow. Pure."""

from enum import Enum, auto

from thing_operator.api.thing import DeletionPolicy, ThingSpec
from thing_operator.twin.managed_paths import ManagedPaths

_NAMED = 5


class Ending(Enum):
    """What is left to do before a Thing that is deleted is released."""

    RELEASE = auto()
    """Nothing."""
    HANDS_OFF = auto()
    """The policy asks for work on the shadow, but somebody else runs the thing: the shadow is left, with an Event."""
    WORK = auto()
    """The shadow is to be cleared or deleted, by a session."""


def needs_finalizer(spec: ThingSpec) -> bool:
    """Whether the policy asks for work on the shadow, suspended or not."""
    return spec.deletion_policy in {DeletionPolicy.CLEAR, DeletionPolicy.DELETE}


def ending_of(
    spec: ThingSpec | None, managed: ManagedPaths, *, is_suspended: bool, is_run_by_another: bool
) -> Ending:
    """``spec`` is None when it cannot be read: then the finalizer says that there was work to do.

    ``is_run_by_another``: another Thing has the session. A suspended one leaves it to whoever has the certificate, and
    a session to clear the shadow by would end theirs.
    """
    if spec is None:
        return Ending.WORK
    is_clean = spec.deletion_policy is DeletionPolicy.CLEAR and managed == ManagedPaths()
    if is_clean or not needs_finalizer(spec):
        return Ending.RELEASE
    return Ending.HANDS_OFF if is_suspended or is_run_by_another else Ending.WORK


def left_as_it_is(spec: ThingSpec, managed: ManagedPaths, *, is_suspended: bool) -> str:
    """What the Event says of a shadow that was left, and what there is to do about it."""
    why = (
        "the Thing is suspended, and a session would end that of whoever uses its certificate"
        if is_suspended
        else "another Thing runs it"
    )
    paths = [*managed.desired, *managed.reported]
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    named = f" (this Thing has set {', '.join(paths[:_NAMED])}{more})" if paths else ""
    return (
        f"released with the shadow left as it is, though deletionPolicy is {spec.deletion_policy}: {why}{named}. "
        "Remove it in MIC if need be; to have it done, resume a Thing before it is deleted"
    )
