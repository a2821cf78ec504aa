"""When a Thing has to be looked at again without anybody telling. Pure."""

from datetime import timedelta

from thing_operator.core.reasons import Reason
from thing_operator.things.conditions import SECRET_GRACE, expires_soon_at
from thing_operator.things.observation import Observation
from thing_operator.things.runtime import ThingRuntime

_UNWATCHED = frozenset({Reason.CA_NOT_FOUND, Reason.FORBIDDEN, Reason.NOT_AUTHORIZED})
"""What nobody tells of when it is mended: ConfigMaps, Roles and the cloud's policies are not watched."""

_LOOK_AGAIN = timedelta(seconds=30)
_MARGIN = timedelta(milliseconds=50)


def requeue_after(seen: Observation, runtime: ThingRuntime, again: timedelta | None) -> timedelta | None:
    """The nearest of: ``again`` (an answer is due), end of the disconnect grace, end of the certificate, a gate
    that opens; None for never.
    """
    moments = [again] if again is not None else []
    session = seen.session
    if session is not None and not session.connected:
        moments.append(session.since + seen.disconnect_grace - seen.now)
    if seen.credentials is not None:
        valid = seen.credentials
        moments += [at - seen.now for at in (valid.not_before, expires_soon_at(valid), valid.not_after)]
    if seen.credentials_problem is not None and not seen.credentials_problem.stalled:
        moments.append(SECRET_GRACE)
    if any(problem and problem.reason in _UNWATCHED for problem in (seen.blocked, seen.credentials_problem)):
        moments.append(_LOOK_AGAIN)
    problem = seen.request_problem
    if problem is not None and (not problem.stalled or problem.reason in _UNWATCHED):
        moments.append(max(runtime.requests.wait(), runtime.repairs.wait()))
    ahead = [moment for moment in moments if moment > timedelta(0)]
    return min(ahead) + _MARGIN if ahead else None
