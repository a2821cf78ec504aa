"""What is wrong with a spec by itself, which needs no Secret, no session and no shadow to be seen. Pure."""

from collections.abc import Callable
from functools import partial

from thing_operator.api.thing import ThingSpec
from thing_operator.core.errors import UserError
from thing_operator.device.program import compile_device
from thing_operator.twin.plan import check_desired
from thing_operator.twin.problem import Problem


def problems_of_spec(spec: ThingSpec, *, name: str, document_limit: int) -> tuple[Problem, ...]:
    """All that is wrong with desired and device: who mends something else shall not find it only then.

    ``name`` is metadata.name; ``document_limit`` is in bytes.
    """
    checks: tuple[Callable[[], object], ...] = (
        partial(check_desired, spec, document_limit=document_limit),
        partial(compile_device, spec, thing_name=spec.thing_name or name, document_limit=document_limit),
    )
    return tuple(problem for check in checks if (problem := _problem_of(check)) is not None)


def _problem_of(check: Callable[[], object]) -> Problem | None:
    try:
        check()
    except UserError as error:
        return Problem.of(error)
    return None
