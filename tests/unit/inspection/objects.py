"""Things as the API server has them, for what is said of them."""

from typing import Any

from thing_operator.api.crds import NOT_SEEN_STATUS

Json = dict[str, Any]
GOOD = {"Ready": "Accepted", "CredentialsValid": "Valid", "Connected": "Connected", "InSync": "Converged"}


def condition(kind: str, status: str, reason: str, *, hour: int = 10) -> Json:
    message = f"the message of {reason}"
    time = f"2026-11-01T{hour:02}:00:00Z"
    said = {"type": kind, "status": status, "reason": reason, "message": message}
    return said | {"observedGeneration": 3, "lastTransitionTime": time}


def body(
    *conditions: Json, name: str = "freezer-1", spec: Json | None = None, generation: int = 3, **status: Any
) -> Json:
    """A Thing whose conditions are good, but for those that are given."""
    given = {each["type"]: each for each in conditions}
    found = [given.get(kind) or condition(kind, "True", reason) for kind, reason in GOOD.items()]
    meta = {
        "name": name,
        "namespace": "plant",
        "generation": generation,
        "creationTimestamp": "2026-11-01T00:00:00Z",
    }
    seen = {"observedGeneration": 3, "conditions": found} | status
    return {"metadata": meta, "spec": spec or {}, "status": seen}


def not_seen(name: str) -> Json:
    return body(name=name) | {"status": NOT_SEEN_STATUS}


SHADOW = {"version": 7, "bytes": 340, "reported": {"setpoint": -18}}
