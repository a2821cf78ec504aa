"""A section of a shadow as a tree whose leaves know when they were written.

State and metadata are two views of one tree, so that they cannot disagree. Source:
docs/background/aws-iot-shadow.md#merge-rules, #delta and #metadata. Pure.
"""

from dataclasses import dataclass
from typing import TypeAlias, Union

from thing_operator_local.cloud.json_text import Json, JsonObject, same


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or a whole array; ``written`` is the epoch second of its last write."""

    value: Json
    written: int


Tree: TypeAlias = dict[str, Union[Leaf, "Tree"]]


def patched(tree: Tree, patch: JsonObject, *, now: int) -> Tree:
    """The tree after an update that says ``patch`` at the epoch second ``now``; ``tree`` stays as it is.

    null takes its key away; an object goes into the object that is there, or takes the place of a leaf; anything
    else takes the place of what is there, with the time ``now`` also when it is the same.
    """
    written: Tree = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            below = tree.get(key)
            written[key] = patched(below if isinstance(below, dict) else {}, value, now=now)
        elif value is not None:
            written[key] = Leaf(value, now)
    return {key: node for key, node in (tree | written).items() if key in written or key not in patch}


def outstanding(desired: Tree, reported: Tree) -> Tree:
    """The branches and leaves of ``desired`` that ``reported`` does not have, or has with another value.

    An object that is there on both sides is entered; everything else is compared and carried whole.
    """
    missing: Tree = {}
    for key, node in desired.items():
        match node, reported.get(key):
            case dict(), dict() as there:
                if rest := outstanding(node, there):
                    missing[key] = rest
            case Leaf(), Leaf() as there if same(node.value, there.value):
                pass
            case _:
                missing[key] = node
    return missing


def values(tree: Tree) -> JsonObject:
    """The state that a tree stands for."""
    return {key: node.value if isinstance(node, Leaf) else values(node) for key, node in tree.items()}


def times(tree: Tree) -> JsonObject:
    """The metadata that a tree stands for: each leaf as ``{"timestamp": seconds}``, an array element by element."""
    return {
        key: stamped(node.value, node.written) if isinstance(node, Leaf) else times(node)
        for key, node in tree.items()
    }


def stamped(value: Json, time: int) -> Json:
    """The metadata of a value all of which was written at one ``time``, in epoch seconds."""
    if isinstance(value, dict):
        return {key: stamped(child, time) for key, child in value.items()}
    if isinstance(value, list):
        return [stamped(element, time) for element in value]
    return {"timestamp": time}


def rebuilt(state: JsonObject, metadata: Json) -> Tree:
    """The tree of which ``state`` and ``metadata`` are the views."""
    known = metadata if isinstance(metadata, dict) else {}
    return {
        key: rebuilt(value, known.get(key))
        if isinstance(value, dict)
        else Leaf(value, _first_time(known.get(key)))
        for key, value in state.items()
    }


def _first_time(metadata: Json) -> int:
    """Any time in the metadata of one leaf, in which all are the same; 0 where there is none: an empty array."""
    if isinstance(metadata, dict) and isinstance(time := metadata.get("timestamp"), int):
        return time
    below = metadata.values() if isinstance(metadata, dict) else metadata or ()
    return max(map(_first_time, below), default=0)
