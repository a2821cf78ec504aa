"""A finalizer of ours on the objects of one kind, whatever finalizers others have there."""

from dataclasses import dataclass

from thing_operator.core.resource import Resource
from thing_operator.kube.errors import ConflictError, InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient, Operations
from thing_operator.kube.snapshot import ObjectSnapshot


@dataclass(frozen=True, slots=True)
class Finalizer:
    """Puts ``name`` on objects and takes it off. Both raise what the API server answers."""

    client: ApiClient
    resource: Resource
    name: str

    def is_on(self, snapshot: ObjectSnapshot) -> bool:
        """Whether an object that is deleted waits for us."""
        return self.name in snapshot.finalizers

    async def ensure(self, snapshot: ObjectSnapshot, *, needed: bool) -> None:
        """Have it on a living object exactly when it is needed."""
        if needed and not self.is_on(snapshot):
            await self._set(snapshot, (*snapshot.finalizers, self.name))
        elif not needed:
            await self.release(snapshot)

    async def release(self, snapshot: ObjectSnapshot) -> None:
        """Take it off, if it is on."""
        if self.is_on(snapshot):
            await self._set(snapshot, tuple(each for each in snapshot.finalizers if each != self.name))

    async def _set(self, snapshot: ObjectSnapshot, finalizers: tuple[str, ...]) -> None:
        """Replace the list as long as it is the one we saw; a change in between brings the object back anyway."""
        operations: Operations = [
            {"op": "test", "path": "/metadata/uid", "value": snapshot.uid},
            {"op": "test", "path": "/metadata/finalizers", "value": list(snapshot.finalizers) or None},
            {"op": "add", "path": "/metadata/finalizers", "value": list(finalizers)},
        ]
        try:
            await self.client.json_patch(self.resource, snapshot.key, operations)
        except NotFoundError:
            return
        except InvalidObjectError:
            raise ConflictError(f"the finalizers of {snapshot.key} were changed meanwhile") from None
