"""What to send to the shadow now, and what has to be remembered first. Pure."""

from dataclasses import dataclass

from thing_operator.api.thing import ThingSpec
from thing_operator.shadow.documents import EMPTY_DOCUMENT, ShadowDocument
from thing_operator.shadow.planning import DesiredPolicy, SectionPlan, plan_section
from thing_operator.shadow.validation import check_section


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The next step towards the spec.

    ``record``: pointers that status.managedPaths must hold before ``patch`` is sent; ``settled``: what it
    holds once the shadow is as wanted; ``patch``: what goes under ``state.desired``, None for nothing;
    ``repair``: the patch puts right what somebody else changed; ``drift``: what was changed and stands.
    """

    patch: dict[str, object] | None
    record: tuple[str, ...]
    settled: tuple[str, ...]
    repair: tuple[str, ...]
    drift: tuple[str, ...]


def plan_update(
    *,
    spec: ThingSpec,
    managed: tuple[str, ...],
    document: ShadowDocument | None,
    already_accepted: bool,
    document_limit: int,
) -> UpdatePlan:
    """Plan one update; ``document`` None means the shadow has not been read yet: then only ``record`` counts.

    Raises InvalidDocumentError for a ``spec.desired`` that the shadow service would refuse.
    """
    policy = spec.desired_policy or DesiredPolicy.MERGE
    wanted = spec.desired or {}
    if policy is not DesiredPolicy.OBSERVE:
        check_section(wanted, name="spec.desired", document_limit=document_limit)
    section: SectionPlan = plan_section(
        wanted=wanted,
        policy=policy,
        managed=managed,
        current=(document or EMPTY_DOCUMENT).desired,
        once_done=already_accepted,
    )
    repairs = bool(section.patch) and already_accepted
    return UpdatePlan(
        patch=section.patch if document is not None else None,
        record=section.managed_before,
        settled=section.managed_after,
        repair=section.drift if repairs else (),
        drift=() if section.patch else section.drift,
    )
