"""Answering a delta the way a device does: by reporting the desired values. Pure."""

from collections.abc import Collection

from thing_operator.core.json_values import JsonObject
from thing_operator.device.overlaps import PathIndex
from thing_operator.shadow.pointers import Path, get, leaves, put


def acknowledgement(
    delta: JsonObject, *, paths: Collection[Path] | None, owned: Collection[Path]
) -> JsonObject:
    """What to report so that the delta ends: its values exactly, arrays whole, ``{}`` kept.

    ``paths`` restricts it to these parts, None means all. What meets an ``owned`` path is left out: those are
    reported by the thing itself, which does not contradict itself.
    """
    chosen: JsonObject = {}
    others = PathIndex(owned)
    for path in paths if paths is not None else [(key,) for key in delta]:
        try:
            value = get(delta, path)
        except KeyError:
            continue
        for below, leaf in leaves(value) if isinstance(value, dict) and value else [((), value)]:
            place = (*path, *below)
            if others.overlapping(place) is None:
                put(chosen, place, leaf)
    return chosen
