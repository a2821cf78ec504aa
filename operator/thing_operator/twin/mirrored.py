"""What of ``reported`` a status shows: the part that ``spec.mirror`` selects, as long as it is not too large. Pure."""

from typing import Final

from thing_operator.api.model import JsonObject
from thing_operator.api.thing import MirrorSpec, Selection
from thing_operator.core.json_bytes import encode
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.pointers import from_pointer, get

MIRROR_LIMIT: Final = 64 * 1024
"""Bytes of what a status shows of ``reported``, and of its delta: eight times what AWS lets a shadow be. All who watch
Things get it at every report.
"""


def mirrored(reported: JsonObject, mirror: MirrorSpec) -> JsonObject | None:
    """The part of ``reported`` that ``spec.mirror`` asks for; None for nothing."""
    if mirror.reported is Selection.NONE or not reported:
        return None
    if mirror.reported is not Selection.PATHS:
        return reported
    selected: JsonObject = {}
    for pointer in mirror.paths or ():
        path = from_pointer(pointer)
        try:
            value = get(reported, path)
        except KeyError:
            continue
        parent = selected
        for key in path[:-1]:
            parent = parent.setdefault(key, {})
        parent[path[-1]] = value
    return selected or None


def is_truncated(document: ShadowDocument, mirror: MirrorSpec | None) -> bool:
    """Whether the status leaves out what is reported or the delta, since that is too large."""
    # What is selected is no larger than the document: of nearly all no more is looked at than a number.
    return document.size > MIRROR_LIMIT and not (
        fits(mirrored(document.reported, mirror or MirrorSpec())) and fits(document.delta)
    )


def fits(part: JsonObject | None) -> bool:
    """Whether a part of a shadow may be in status."""
    return not part or len(encode(part)) <= MIRROR_LIMIT
