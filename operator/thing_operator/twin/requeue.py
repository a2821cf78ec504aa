"""When a Thing has to be reconciled again although nothing that is watched changes. Pure."""

from collections.abc import Collection
from datetime import timedelta

from thing_operator.api.conditions import ConditionKey, ConditionType
from thing_operator.core.reasons import Reason
from thing_operator.twin.conditions import SECRET_GRACE, expires_soon_at
from thing_operator.twin.observation import Observation

_UNWATCHED = frozenset(
    {
        Reason.CA_NOT_FOUND,
        Reason.CA_TOO_LARGE,
        Reason.FORBIDDEN,
        Reason.NOT_AUTHORIZED,
        Reason.MEMORY_BUDGET_EXCEEDED,
    }
)
"""What is mended without any notice to us: ConfigMaps, Roles and the cloud's policies are not watched, nor is what
other objects hold."""

_UNWATCHED_INTERVAL = timedelta(seconds=30)
_MARGIN = timedelta(milliseconds=50)

_GOOD = frozenset({ConditionType.READY, ConditionType.CREDENTIALS_VALID, ConditionType.CONNECTED})
_BAD = frozenset({ConditionType.STALLED, ConditionType.RECONCILING})


def requeue_after(
    observation: Observation,
    *,
    conditions: Collection[ConditionKey],
    due: timedelta | None,
    retry_after: timedelta,
    recheck_in: timedelta,
) -> timedelta | None:
    """The nearest of: ``due`` (something to be sent waits for its time), end of the disconnect grace, turns of the
    certificate's validity, the moment at which a problem ends, or a session without its Secret, ``retry_after`` (when a
    failed request may be tried again), and ``recheck_in`` where anything is amiss by the ``conditions``; None for
    never.
    """
    moments = [due] if due is not None else []
    session, credentials = observation.session, observation.credentials
    if session is not None and not session.connected:
        since = session.since or observation.now
        moments.append(since + observation.disconnect_grace - observation.now)
    if credentials is not None:
        turns = (credentials.not_before, expires_soon_at(credentials), credentials.not_after)
        moments += [at - observation.now for at in turns]
    if observation.session_ends_at is not None:
        moments.append(observation.session_ends_at - observation.now)
    moments += _after_problems(observation, retry_after=retry_after)
    if not _is_well(conditions):
        moments.append(recheck_in)
    ahead = [moment for moment in moments if moment > timedelta(0)]
    return min(ahead) + _MARGIN if ahead else None


def _after_problems(observation: Observation, *, retry_after: timedelta) -> list[timedelta]:
    """After how long each problem that may have ended unseen is to be checked once more."""
    moments: list[timedelta] = []
    credentials_problem, request_problem = observation.credentials_problem, observation.request_problem
    found = (observation.blocking_problem, credentials_problem)
    moments += [
        each.ends_at - observation.now for each in found if each is not None and each.ends_at is not None
    ]
    if credentials_problem is not None and not credentials_problem.stalled:
        moments.append(SECRET_GRACE)
    blocking = observation.blocking_problem
    if blocking is not None and blocking.reason is Reason.PARENT_MISSING:
        moments.append(SECRET_GRACE)
    if any(problem and problem.reason in _UNWATCHED for problem in found):
        moments.append(_UNWATCHED_INTERVAL)
    if request_problem is not None and (not request_problem.stalled or request_problem.reason in _UNWATCHED):
        moments.append(retry_after)
    return moments


def _is_well(conditions: Collection[ConditionKey]) -> bool:
    """Whether nothing is amiss; of a device that has not reported yet nothing is."""
    good = {kind for kind, status, _ in conditions if status == "True" and kind in _GOOD}
    return len(good) == len(_GOOD) and not any(kind in _BAD for kind, _, _ in conditions)
