"""Texts in, diagnostics out: every object of ours in them, each for itself and against the others. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from thing_operator.api import names
from thing_operator.api.thing import ThingSpec
from thing_operator.check.diagnostics import Diagnostic, Flaw
from thing_operator.check.documents import Document, UnreadableDocumentError, read_documents
from thing_operator.check.objects import CheckedObject, check_object, is_ours
from thing_operator.config import EndpointSettings
from thing_operator.core.errors import UserError
from thing_operator.shadow.topics import child_thing_name
from thing_operator.twin.resolved import EndpointNotConfiguredError, resolve_thing

_LISTS: Final = ("List", f"{names.THING_KIND}List", f"{names.BATCH_KIND}List")


@dataclass(frozen=True, slots=True)
class SourceText:
    """What a file holds; ``name`` is what the user calls it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What the operator's configuration says of it; ``endpoint`` is None where there is no configuration to ask."""

    document_limit: int = 8192
    endpoint: EndpointSettings | None = None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of all texts. ``objects`` counts ours by kind, ``skipped`` the documents of other kinds."""

    diagnostics: tuple[Diagnostic, ...]
    objects: Counter[str]
    skipped: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """An object and where it stands."""

    file: str
    document: Document
    found: CheckedObject

    def diagnostic(self, flaw: Flaw) -> Diagnostic:
        return Diagnostic(self.file, self.document.line_of(flaw.place), str(self.found), flaw.message)

    @property
    def line(self) -> str:
        return f"{self.file}:{self.document.line_of(())}"


def check_texts(texts: Iterable[SourceText], limits: CheckLimits) -> CheckReport:
    """Check all texts together. One that is no YAML counts only if this API's group is named in it."""
    diagnostics: list[Diagnostic] = []
    placed: list[_Placed] = []
    skipped = 0
    for each in texts:
        try:
            for document in read_documents(each.text):
                parts = list(_parts(document))
                ours = [part for part in parts if is_ours(part.value)]
                skipped += len(parts) - len(ours)
                check = partial(check_object, document_limit=limits.document_limit)
                placed += [_Placed(each.name, part, check(part)) for part in ours]
        except UnreadableDocumentError as error:
            if names.GROUP in each.text:
                diagnostics.append(Diagnostic(each.name, error.line, "", error.message))
            else:
                skipped += 1
    for one in placed:
        diagnostics += [one.diagnostic(flaw) for flaw in (*one.found.flaws, *_endpoint(one.found, limits))]
    diagnostics += _rivals(placed)
    counts = Counter(one.found.kind for one in placed)
    return CheckReport(tuple(sorted(set(diagnostics))), counts, skipped)


def _parts(document: Document) -> Iterator[Document]:
    """The document, or what is in it where it is a List of kubectl's."""
    value: Any = document.value
    if isinstance(value, dict) and value.get("kind") in _LISTS and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield document.part(("items", index), item)
    else:
        yield document


def _endpoint(found: CheckedObject, limits: CheckLimits) -> Iterator[Flaw]:
    """Whether the operator of that configuration connects to the broker."""
    if limits.endpoint is None or not isinstance(found.spec, ThingSpec) or found.spec.parent_ref is not None:
        return
    try:
        resolve_thing(name=found.name, spec=found.spec, settings=limits.endpoint)
    except UserError as error:
        place = () if isinstance(error, EndpointNotConfiguredError) else ("spec", "endpoint", "host")
        yield Flaw(place, error.message)


def _rivals(placed: Sequence[_Placed]) -> Iterator[Diagnostic]:
    """One object in two places, two Things for one thing, and children of children."""
    parents = {
        (one.found.namespace, one.found.name): one.found.spec
        for one in placed
        if isinstance(one.found.spec, ThingSpec)
    }
    objects: dict[tuple[str, str, str], _Placed] = {}
    things: dict[tuple[str, int, str], _Placed] = {}
    for one in placed:
        found = one.found
        first = objects.setdefault((found.kind, found.namespace, found.name), one)
        if first is not one and found.name:
            flaw = Flaw.at(
                ("metadata", "name"), f"{found} is also at {first.line}: apply keeps the last one only"
            )
            yield one.diagnostic(flaw)
        elif isinstance(found.spec, ThingSpec) and found.name:
            parent = _parent_of(found, parents)
            if parent is not None and parent.parent_ref is not None:
                words = f"it is a networked child of {parent.parent_ref.name} itself, and cannot be a parent"
                yield one.diagnostic(Flaw.at(("spec", "parentRef", "name"), words))
                continue
            first = things.setdefault(_thing(found, found.spec, parent), one)
            if first is not one:
                words = f"{first.found} at {first.line} is for the same thing, and only one of the two can be Ready"
                yield one.diagnostic(Flaw.at(("spec", "thingName"), words))


def _parent_of(found: CheckedObject, things: Mapping[tuple[str, str], ThingSpec]) -> ThingSpec | None:
    """The parent of a networked child, where that is in the files, too."""
    if not isinstance(found.spec, ThingSpec) or found.spec.parent_ref is None:
        return None
    return things.get((found.namespace, found.spec.parent_ref.name))


def _thing(found: CheckedObject, spec: ThingSpec, parent: ThingSpec | None) -> tuple[str, int, str]:
    """One thing name at one broker; without a host of its own, at the operator's. A child is at its parent's."""
    name, endpoint = spec.thing_name or found.name, spec.endpoint
    if spec.parent_ref is not None:
        of_parent = (parent.thing_name if parent else None) or spec.parent_ref.name
        name, endpoint = child_thing_name(of_parent, name), parent.endpoint if parent else None
    host = endpoint.host if endpoint else None
    port = endpoint.port if endpoint else None
    return ((host or "").lower(), port or 0, name)
