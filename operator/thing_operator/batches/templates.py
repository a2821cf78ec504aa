"""What the templates of a ThingBatch may put on Secrets and Things. Pure."""

from collections.abc import Iterator

from thing_operator.api.thingbatch import TemplateMetadata, ThingBatchSpec
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason


class TemplateNotAllowedError(UserError):
    """A template has a label or annotation that the operator's configuration does not allow."""

    reason = Reason.INVALID_SPEC


def check_templates(spec: ThingBatchSpec, *, prefixes: tuple[str, ...] | None) -> None:
    """Raises TemplateNotAllowedError for a key that begins with none of ``prefixes``; None allows all."""
    if prefixes is None:
        return
    for place, key in _keys(spec):
        if not key.startswith(prefixes):
            allowed = ", ".join(prefixes) or "none"
            raise TemplateNotAllowedError(
                f"{place}: {key} is not among the labels and annotations that the operator puts on objects "
                f"({allowed}): take it out, or have batch.allowedMetadataPrefixes extended"
            )


def _keys(spec: ThingBatchSpec) -> Iterator[tuple[str, str]]:
    """Every key, with the field that it is in."""
    things = spec.things.template if spec.things else None
    templates: dict[str, TemplateMetadata | None] = {
        "spec.secretTemplate.metadata": spec.secret_template.metadata if spec.secret_template else None,
        "spec.things.template.metadata": things.metadata if things else None,
    }
    for place, metadata in templates.items():
        if metadata is not None:
            yield from ((f"{place}.labels", key) for key in metadata.labels or ())
            yield from ((f"{place}.annotations", key) for key in metadata.annotations or ())
