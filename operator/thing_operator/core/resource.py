"""How the API server names kinds and objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as URLs name it (``plural``) and as objects do (``kind``); the core group is empty."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """Group and version as an object's ``apiVersion`` has them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Path of a collection, an object or its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        parts = "".join(f"/{part}" for part in (self.plural, name, subresource) if part)
        return f"{root}{scope}{parts}"


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Namespace and name of an object; its kind follows from where the key is."""

    namespace: str
    name: str

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self:
        """That of an object with a namespace, by its ``metadata``."""
        return cls(metadata["namespace"], metadata["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object, not merely one name: recreated under the same name it is another one."""

    resource: Resource
    key: ObjectKey
    uid: str

    def __hash__(self) -> int:
        """Of the uid alone: a reconcile looks up ten times, and a string keeps its hash."""
        return hash(self.uid)


namespace_of: Final = attrgetter("namespace")
"""Whose an object's key is, for queues that serve namespaces in turn."""
