"""An API server in memory: objects with versions, status as a subresource, finalizers, JSON Patch, watches, history.

The rules are those of kube-apiserver for what the operator asks.
Nothing here takes time or fails by itself: that is between the operator and the model (``api_link.py``).
"""

import asyncio
import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import orjson

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import (
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    NotFoundError,
)
from thing_operator.kube.ports import Body, Operations

Object = dict[str, Any]

NOT_SEEN = {
    "observedGeneration": -1,
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NotSeen",
            "message": "no operator has seen this object: is one running, and does it watch this namespace?",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ],
}
"""What the CRD has a status begin with."""

_CREATED_BY_PUT = frozenset({"leases"})


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history of a kind. ``body`` as the object was after it, or last of all when deleted."""

    version: int
    kind: str
    key: ObjectKey
    body: Object
    line: bytes


class Target(NamedTuple):
    """Who asks for what, of which object."""

    author: str
    verb: str
    resource: Resource
    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Write:
    """What somebody has written: for the invariants."""

    author: str
    verb: str
    resource: Resource
    key: ObjectKey
    before: Object | None
    after: Object | None
    text: bytes = b""
    """``after`` as JSON, where that is another one than before."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of the object."""
        labels: Mapping[str, str] = (self.after or self.before or {})["metadata"]["labels"]
        return labels


class ApiModel:
    """All objects. ``now`` gives the time of day; ``on_write`` is called after each write that was taken."""

    def __init__(self, *, now: Callable[[], datetime], on_write: Callable[[Write], None]) -> None:
        self._now = now
        self._on_write = on_write
        self._objects: defaultdict[Resource, dict[ObjectKey, Object]] = defaultdict(dict)
        self._history: defaultdict[Resource, list[Change]] = defaultdict(list)
        self._begins: defaultdict[Resource, int] = defaultdict(int)
        """Versions up to this one are compacted."""
        self._waiting: defaultdict[Resource, list[asyncio.Future[None]]] = defaultdict(list)
        self._uids = 0
        self.version = 1000
        self.unchanged = 0
        """Writes that changed nothing."""

    # --- reading

    def get(self, resource: Resource, key: ObjectKey) -> Object:
        """One object; NotFoundError when there is none. Not to be changed by who asks."""
        found = self._objects[resource].get(key)
        if found is None:
            raise NotFoundError(f"GET {resource.path(key.namespace, key.name)}: 404 not found")
        return found

    def find(self, resource: Resource, key: ObjectKey) -> Object | None:
        """The same, None when there is none."""
        return self._objects[resource].get(key)

    def listed(
        self, resource: Resource, namespace: str | None = None, *, at: int | None = None
    ) -> list[Object]:
        """The objects of a kind, by key; ``at``: as of this version, as a server shows them that lags behind."""
        objects = self._objects[resource] if at is None else self._as_of(resource, at)
        return [body for key, body in sorted(objects.items()) if namespace in {None, key.namespace}]

    def find_as_of(self, resource: Resource, key: ObjectKey, version: int) -> Object | None:
        """One object as it was at this version; None when there was none."""
        for change in reversed(self._history[resource]):
            if change.key == key and change.version <= version:
                return None if change.kind == "DELETED" else change.body
        return None

    def _as_of(self, resource: Resource, version: int) -> dict[ObjectKey, Object]:
        objects: dict[ObjectKey, Object] = {}
        for change in self._history[resource]:
            if change.version > version:
                break
            if change.kind == "DELETED":
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.body
        return objects

    def changes(self, resource: Resource, position: int) -> list[Change]:
        """The history from a position on."""
        return self._history[resource][position:]

    def position(self, resource: Resource, version: str) -> int:
        """Where the history after this version begins; ExpiredError when it is compacted."""
        number = int(version)
        if number < self._begins[resource]:
            raise ExpiredError("410 too old resource version")
        history = self._history[resource]
        position = len(history)
        while position and history[position - 1].version > number:
            position -= 1
        return position

    async def wait_for_change(self, resource: Resource, position: int, timeout: float) -> bool:
        """Wait until the history goes on beyond a position; False when it does not in time."""
        if len(self._history[resource]) > position:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[resource].append(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            if future in self._waiting[resource]:
                self._waiting[resource].remove(future)
        return True

    def compact(self) -> None:
        """Forget what has been: who watches from before now has to list."""
        for resource in tuple(self._history):
            self._begins[resource] = self.version

    # --- writing

    def create(self, author: str, resource: Resource, namespace: str, body: Body) -> Object:
        """POST. ConflictError when there is one of that name."""
        new = _copy(body)
        meta = new.setdefault("metadata", {})
        meta["namespace"] = namespace
        key = ObjectKey(namespace, meta["name"])
        if key in self._objects[resource]:
            raise ConflictError(f"POST {resource.path(namespace)}: 409 {key.name} already exists")
        self._uids += 1
        meta |= {
            # As random as a real one: replicas divide Things by its hash.
            "uid": str(uuid5(NAMESPACE_OID, str(self._uids))),
            "generation": 1,
            "creationTimestamp": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if resource in {THINGS, BATCHES}:
            new["status"] = copy.deepcopy(NOT_SEEN)
        return self._store(Target(author, "create", resource, key), None, new)

    def replace(self, author: str, resource: Resource, key: ObjectKey, body: Body) -> Object:
        """PUT, with the rules for versions."""
        known, version = self.find(resource, key), body["metadata"].get("resourceVersion")
        if known is None:
            if resource.plural not in _CREATED_BY_PUT:
                raise NotFoundError(f"PUT {resource.path(key.namespace, key.name)}: 404 not found")
            if version is not None:
                raise ConflictError("409 the object has been modified")
            return self.create(author, resource, key.namespace, body)
        if version is None:
            raise InvalidObjectError("422 metadata.resourceVersion: must be specified for an update")
        if version != known["metadata"]["resourceVersion"]:
            raise ConflictError("409 the object has been modified")
        new = _copy(body)
        for name in ("uid", "creationTimestamp", "generation"):
            new["metadata"][name] = known["metadata"][name]
        return self._update(Target(author, "replace", resource, key), known, new)

    def json_patch(
        self,
        author: str,
        resource: Resource,
        key: ObjectKey,
        operations: Operations,
        *,
        subresource: str | None,
    ) -> Object:
        """PATCH: a JSON Patch; of the object without its status, or of the status alone."""
        known = self.get(resource, key)
        patched = _patched(known, operations)
        if patched["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise ConflictError("409 the object has been modified")
        new = dict(known)
        if subresource == "status":
            new["status"] = patched.get("status") or copy.deepcopy(NOT_SEEN)
        else:
            new |= {name: value for name, value in patched.items() if name != "status"}
        return self._update(Target(author, "patch", resource, key), known, new)

    def edit(
        self, author: str, resource: Resource, key: ObjectKey, change: Callable[[Object], None]
    ) -> Object:
        """What a user does: read, change, write."""
        known = self.get(resource, key)
        new = _copy(known)
        change(new)
        return self._update(Target(author, "edit", resource, key), known, new)

    def delete(
        self,
        author: str,
        resource: Resource,
        key: ObjectKey,
        *,
        uid: str | None = None,
        version: str | None = None,
    ) -> None:
        """DELETE, with its preconditions; with finalizers it is only marked."""
        known = self.get(resource, key)
        meta = known["metadata"]
        if (uid and uid != meta["uid"]) or (version and version != meta["resourceVersion"]):
            raise ConflictError("409 the precondition failed")
        if meta.get("finalizers"):
            if "deletionTimestamp" in meta:
                return
            new = _copy(known)
            new["metadata"]["deletionTimestamp"] = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            new["metadata"]["generation"] = meta["generation"] + 1
            self._store(Target(author, "delete", resource, key), known, new)
        else:
            self._remove(Target(author, "delete", resource, key), known)

    # --- within

    def _update(self, asked: Target, known: Object, new: Object) -> Object:
        meta = dict(new["metadata"])
        new["metadata"] = meta
        meta["resourceVersion"] = known["metadata"]["resourceVersion"]
        if not meta.get("finalizers"):
            meta.pop("finalizers", None)
        if new == known:
            self.unchanged += 1
            self._on_write(Write(*asked, known, known))
            return known
        if new.get("spec") != known.get("spec") and asked.resource in {THINGS, BATCHES}:
            meta["generation"] = known["metadata"]["generation"] + 1
        if "deletionTimestamp" in meta and "finalizers" not in meta:
            return self._remove(asked, known)  # its last event has the finalizer that was taken off
        return self._store(asked, known, new)

    def _store(self, asked: Target, before: Object | None, new: Object) -> Object:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._objects[asked.resource][asked.key] = new
        text = self._note(asked.resource, "ADDED" if before is None else "MODIFIED", asked.key, new)
        self._on_write(Write(*asked, before, new, text))
        return new

    def _remove(self, asked: Target, known: Object) -> Object:
        del self._objects[asked.resource][asked.key]
        self.version += 1
        last = known | {"metadata": known["metadata"] | {"resourceVersion": str(self.version)}}
        self._note(asked.resource, "DELETED", asked.key, last)
        self._on_write(Write(*asked, known, None))
        return last

    def _note(self, resource: Resource, kind: str, key: ObjectKey, body: Object) -> bytes:
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)  # as a real one does
        line = b'{"type":"%s","object":%s}\n' % (kind.encode(), text)
        self._history[resource].append(Change(self.version, kind, key, body, line))
        waiting, self._waiting[resource] = self._waiting[resource], []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        return text


def _copy(body: Body) -> Object:
    found: Object = decode(encode(body))
    return found


def _patched(known: Mapping[str, Any], operations: Operations) -> Object:
    """A JSON Patch of what the operator uses of it: test, add, replace, remove. What does not change is shared."""
    new = dict(known)
    for operation in operations:
        *path, last = [
            each.replace("~1", "/").replace("~0", "~") for each in operation["path"].split("/")[1:]
        ]
        place: Any = new
        for each in path:
            found = place.get(each)
            if not isinstance(found, dict):
                raise InvalidObjectError(f"422 {operation['path']} does not exist")
            place[each] = found = dict(found)
            place = found
        match operation["op"]:
            case "test":
                if encode(place.get(last)) != encode(operation["value"]):
                    raise InvalidObjectError(f"422 testing path {operation['path']} value failed")
            case "add" | "replace":
                place[last] = decode(encode(operation["value"]))
            case "remove" if last in place:
                del place[last]
            case op:
                raise InvalidObjectError(f"422 {op} operation does not apply: {operation['path']}")
    return new
