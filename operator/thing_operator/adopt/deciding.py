"""What becomes of each thing that was found. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from thing_operator.adopt.manifests import secret_manifest, thing_manifest
from thing_operator.adopt.model import Adoption, AdoptOptions, AdoptResult, Cluster, FoundThing, ShadowLook
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.core.thing_names import object_name, secret_name
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.pointers import to_pointer
from thing_operator.shadow.validation import InvalidDocumentError, check_section

Looks = Mapping[str, ShadowLook]
"""By thing name."""


def combine(found: Iterable[FoundThing]) -> tuple[FoundThing, ...]:
    """One of each thing, sorted by name: what several sources know of it, put together."""
    by_name: dict[str, FoundThing] = {}
    for one in found:
        known = by_name.get(one.thing_name)
        by_name[one.thing_name] = one if known is None else _both(known, one)
    return tuple(by_name[name] for name in sorted(by_name))


def is_to_look_at(found: FoundThing, cluster: Cluster) -> bool:
    """Whether the thing's shadow is of interest and can be read: a look at a running one would interrupt it."""
    is_running = found.thing_name in cluster.by_thing
    return found.credentials is not None and found.elsewhere is None and not is_running


def decide(
    found: Sequence[FoundThing], looks: Looks, *, cluster: Cluster, options: AdoptOptions
) -> tuple[Adoption, ...]:
    """The outcome of each, in the order of ``found``. A thing without a look was not to be looked at."""
    return tuple(_decide(one, looks.get(one.thing_name), cluster, options) for one in found)


def _both(one: FoundThing, other: FoundThing) -> FoundThing:
    """The one that has usable credentials counts; the rest of what is known is kept."""
    first, second = (
        (other, one) if one.credentials is None and other.credentials is not None else (one, other)
    )
    problem = first.problem
    if first.credentials and second.credentials:
        if first.credentials.fingerprint != second.credentials.fingerprint:
            problem = f"there are two certificates for it, in {one.source} and in {other.source}: leave one of them out"
    elif first.credentials is None:
        problem = one.problem or other.problem
    return replace(
        first,
        credentials=None if problem else first.credentials,
        problem=problem,
        secret_name=first.secret_name or second.secret_name,
        elsewhere=one.elsewhere or other.elsewhere,
        note=one.note or other.note,
    )


def _decide(found: FoundThing, look: ShadowLook | None, cluster: Cluster, options: AdoptOptions) -> Adoption:
    name = found.thing_name
    place = f"{options.namespace}/{object_name(name)}"
    if running := cluster.by_thing.get(name):
        return Adoption(name, AdoptResult.EXISTS, f"Thing {running} runs it and is left as it is")
    if found.elsewhere:
        return Adoption(name, AdoptResult.SKIPPED, found.elsewhere)
    if found.problem:
        return Adoption(name, AdoptResult.UNUSABLE, found.problem, needs_attention=True)
    if place in cluster.things:
        message = f"Thing {place} is there and runs {cluster.things[place]}: use another namespace, or delete that one"
        return Adoption(name, AdoptResult.UNUSABLE, message, needs_attention=True)
    return _written(found, look, options)


def _written(found: FoundThing, look: ShadowLook | None, options: AdoptOptions) -> Adoption:
    document = look.document if look else None
    desired, why_not = _desired(document, options)
    trouble = [text for text in (_missing(found), look.problem if look else None, why_not) if text]
    notes = [text for text in (_seen(document), found.note) if text]
    needs_secret = options.write_secrets and found.credentials and found.secret_name is None
    return Adoption(
        found.thing_name,
        AdoptResult.WRITTEN,
        "; ".join(trouble + notes),
        needs_attention=bool(trouble),
        thing=thing_manifest(found, desired=desired, options=options),
        secret=secret_manifest(found, namespace=options.namespace) if needs_secret else None,
        version=document.version if document else None,
    )


def _missing(found: FoundThing) -> str | None:
    if found.credentials is not None:
        return None
    return (
        f"no certificate is here, so its shadow was not read; its Thing waits for the Secret "
        f"{secret_name(found.thing_name)} (MIC gives out no private key of a thing that exists)"
    )


def _seen(document: ShadowDocument | None) -> str | None:
    """What the shadow says that a person should know before the operator connects as the thing."""
    if document is None:
        return None
    if document.version == 0:
        return "it has no shadow yet"
    tcxn = document.reported.get("tcxn")
    status = tcxn.get("connection_status") if isinstance(tcxn, dict) else None
    if status in {1, 2}:
        return (
            "it reports that it is online: if a device connects with this certificate itself, keep the Thing "
            "suspended (--suspend)"
        )
    return None


def _desired(document: ShadowDocument | None, options: AdoptOptions) -> tuple[JsonObject | None, str | None]:
    """Today's desired state for the Thing (None: Observe), or why there is none although it is asked for."""
    if not options.with_desired:
        return None, None
    if document is None:
        return None, "its desired state is not known: the Thing observes"
    try:
        check_section(document.desired, name="desired")
        _check_numbers(document.desired, ())
    except InvalidDocumentError as error:
        return None, f"its desired state cannot stand in a Thing ({error.message}): the Thing observes"
    return document.desired, None


def _check_numbers(value: JsonValue, path: tuple[str, ...]) -> None:
    """Raises InvalidDocumentError for a number that Kubernetes would round, and the Thing then change."""
    if isinstance(value, dict):
        for key, child in value.items():
            _check_numbers(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _check_numbers(child, (*path, str(index)))
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        pointer = to_pointer(path)
        raise InvalidDocumentError(
            f"desired{pointer} is a whole number of more than 63 bits, which Kubernetes rounds",
            pointer=pointer,
        )
