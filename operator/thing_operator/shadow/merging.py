"""How the shadow service merges an update, and what it calls the delta.

Source: docs/background/aws-iot-shadow.md#merge-rules and docs/background/aws-iot-shadow.md#delta.
"""

from thing_operator.core.json_values import JsonObject, JsonValue, json_equal


def merge(target: JsonValue, patch: JsonObject) -> JsonObject:
    """The object after an update; neither argument is changed.

    null removes its key, objects merge, everything else replaces. An object emptied by nulls stays as ``{}``;
    ``{}`` over an object changes nothing, over anything else it replaces.
    """
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def without_nulls(section: JsonObject) -> JsonObject:
    """The section as an empty shadow would keep it: a key that is null counts as left out. Arrays stay as they are."""
    return merge({}, section)


def difference(desired: JsonObject, reported: JsonObject) -> JsonObject:
    """The delta: what ``desired`` has and ``reported`` lacks or has otherwise.

    Objects keep only their differing branches; arrays and scalars are compared and carried whole. An empty
    object in ``desired`` asks only that there is an object.
    """
    delta: JsonObject = {}
    for key, wanted in desired.items():
        if key not in reported:
            delta[key] = wanted
            continue
        actual = reported[key]
        if isinstance(wanted, dict) and isinstance(actual, dict):
            below = difference(wanted, actual)
            if below:
                delta[key] = below
        elif not json_equal(wanted, actual):
            delta[key] = wanted
    return delta
