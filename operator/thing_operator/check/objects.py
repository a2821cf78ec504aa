"""One Thing or ThingBatch: its schema, and then what the operator would refuse of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from thing_operator.api import names
from thing_operator.api.crds import all_crds
from thing_operator.api.thing import ThingSpec
from thing_operator.api.thingbatch import ThingBatchSpec
from thing_operator.check.diagnostics import Flaw, Place
from thing_operator.check.documents import Document
from thing_operator.check.structure import (
    Schema,
    check_rules,
    takes_text,
    unknown_fields,
    wrong_fields,
    wrong_types,
)
from thing_operator.check.values import wrong_values
from thing_operator.config.suggestions import did_you_mean
from thing_operator.core.json_bytes import encode
from thing_operator.core.object_names import check_object_name
from thing_operator.kube.snapshot import SPEC_LIMIT

KINDS: Final[dict[str, type[ThingSpec | ThingBatchSpec]]] = {
    names.THING_KIND: ThingSpec,
    names.BATCH_KIND: ThingBatchSpec,
}
_SPEC: Final[Place] = ("spec",)
_NO_SPEC: Final = Flaw.at(_SPEC, "missing")


@dataclass(frozen=True, slots=True)
class CheckedObject:
    """What is known of one object. ``spec`` is None where it has a flaw that keeps it from being read."""

    kind: str
    namespace: str
    name: str
    spec: ThingSpec | ThingBatchSpec | None
    flaws: tuple[Flaw, ...]

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place or 'without a name'}"


def is_ours(value: Any) -> bool:
    """Whether a document is about this API's group, whatever its version and kind."""
    version = value.get("apiVersion") if isinstance(value, dict) else None
    return isinstance(version, str) and version.split("/", maxsplit=1)[0] == names.GROUP


def check_object(document: Document, *, document_limit: int) -> CheckedObject:
    """Check one of our objects; ``document_limit`` is that of a shadow, in bytes."""
    body = document.value
    kind = str(body.get("kind"))
    meta = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    found = partial(CheckedObject, kind, str(meta.get("namespace") or ""), str(meta.get("name") or ""))
    if body["apiVersion"] != names.API_VERSION:
        words = f"{body['apiVersion']} is not known: the version is {names.API_VERSION}"
        return found(None, (Flaw.at(("apiVersion",), words),))
    if kind not in KINDS:
        return found(None, (Flaw.at(("kind",), f"{kind} is not known{did_you_mean(kind, KINDS)}"),))
    schema, written = _schema(kind), body.get("spec")
    unreadable = tuple(wrong_types(written, KINDS[kind])) if written is not None else (_NO_SPEC,)
    refused = [*unknown_fields(body, schema), *_metadata(meta), *unreadable]
    if written is not None:
        refused += wrong_fields(written, schema["properties"]["spec"], _SPEC)
    # What an unquoted scalar is read as says more than that it has the wrong type.
    doubtful = {flaw.place for flaw in document.flaws}
    said = (flaw.where_text_belongs() if takes_text(schema, flaw.place) else flaw for flaw in document.flaws)
    flaws = (*said, *(flaw for flaw in refused if flaw.place not in doubtful))
    if unreadable:
        return found(None, flaws)
    broken = tuple(check_rules(body, schema))
    size = len(encode(written))
    if size > SPEC_LIMIT:
        broken += (
            Flaw(
                _SPEC,
                f"spec: {size} bytes as JSON, more than the {SPEC_LIMIT} that the operator reads: make it smaller",
            ),
        )
    if broken:
        return found(None, (*flaws, *broken))
    spec = KINDS[kind].model_validate(written)
    values = wrong_values(spec, str(meta.get("name") or ""), document_limit=document_limit)
    # What is wrong with a field would only be said again, in other words, of what it is in.
    more = (
        flaw for flaw in values if not any(each.place[: len(flaw.place)] == flaw.place for each in refused)
    )
    return found(spec, (*flaws, *more))


def _metadata(meta: dict[str, Any]) -> Iterator[Flaw]:
    name, place = meta.get("name"), ("metadata", "name")
    if name is None:
        if not meta.get("generateName"):
            yield Flaw.at(place, "missing")
        return
    try:
        check_object_name(str(name))
    except ValueError as error:
        yield Flaw.at(place, f"{error}, not {name}")


@cache
def _schema(kind: str) -> Schema:
    crd = next(crd for crd in all_crds().values() if crd["spec"]["names"]["kind"] == kind)
    found: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found
