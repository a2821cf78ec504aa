"""What the shadow service, MIC and the operator would refuse of the values in a spec that is right as such. Pure."""

from collections.abc import Iterator
from typing import Final

from thing_operator.api.thing import ThingSpec
from thing_operator.api.thingbatch import ThingBatchSpec
from thing_operator.check.diagnostics import Flaw, Place, field_text
from thing_operator.core.errors import UserError
from thing_operator.device import compile_device
from thing_operator.shadow.documents import section_size
from thing_operator.shadow.pointers import from_pointer, leaves
from thing_operator.shadow.validation import InvalidDocumentError, check_section

_SPEC: Final[Place] = ("spec",)
_TEMPLATE: Final[Place] = ("spec", "things", "template", "spec")


def wrong_values(spec: ThingSpec | ThingBatchSpec, name: str, *, document_limit: int) -> Iterator[Flaw]:
    """The flaws of a Thing, or of a ThingBatch's template; ``name`` is metadata.name, ``document_limit`` in bytes."""
    if isinstance(spec, ThingSpec):
        yield from _of_behaviour(spec, name, _SPEC, document_limit=document_limit)
        return
    template = spec.things.template if spec.things else None
    if template is not None and template.spec is not None:
        behaviour = ThingSpec.model_validate(template.spec.model_dump())
        for flaw in _of_behaviour(behaviour, name, _TEMPLATE, document_limit=document_limit):
            yield Flaw(flaw.place, f"in {field_text(_TEMPLATE[:-1])}: {flaw.message}")


def _of_behaviour(spec: ThingSpec, name: str, place: Place, *, document_limit: int) -> Iterator[Flaw]:
    yield from _nulls(spec, place)
    facts = {}
    try:
        facts = compile_device(spec, thing_name=spec.thing_name or name, document_limit=document_limit).facts
    except UserError as error:
        yield Flaw((*place, "device"), error.message)
    desired = spec.desired or {}
    try:
        check_section(desired, name="spec.desired", document_limit=document_limit, null_keys=True)
    except InvalidDocumentError as error:
        yield Flaw((*place, "desired", *from_pointer(error.pointer)), error.message)
        return
    size = section_size(desired) + section_size(facts)
    if size > document_limit and section_size(facts) < document_limit:
        words = (
            f"desired and device have {size} bytes together; the shadow takes {document_limit}: shorten them"
        )
        yield Flaw(place, f"spec: {words}")


def _nulls(spec: ThingSpec, place: Place) -> Iterator[Flaw]:
    """kubectl apply drops a null in silence, server-side apply keeps it, and the operator leaves the key out."""
    written = ((("desired",), spec.desired), (("device", "reported"), spec.device and spec.device.reported))
    for way, section in written:
        for path, value in leaves(section or {}):
            if value is None:
                where = field_text((*_SPEC, *way, *path))
                yield Flaw(
                    (*place, *way, *path),
                    f"{where}: null counts as left out: take the key out, or write {{}}",
                )
