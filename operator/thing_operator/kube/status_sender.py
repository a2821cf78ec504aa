"""A status on its way to the API server, and what its answer says of the object."""

from collections.abc import Callable

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.resource import ObjectRef
from thing_operator.core.resource_versions import version_number
from thing_operator.kube.errors import ApiUnavailableError, ConflictError, NotFoundError, RefusedObjectError
from thing_operator.kube.ports import ApiClient, Body
from thing_operator.kube.status_entry import Encoded, StatusEntry
from thing_operator.kube.status_patch import read, status_patch
from thing_operator.observability.observers import WriteObserver


class OutdatedError(ConflictError):
    """The object is no longer as that of which the status was made; ``body``: it as it is."""

    def __init__(self, message: str, body: Body) -> None:
        super().__init__(message)
        self.body = body


class StatusSender:
    """Sends statuses, one of an object at a time, and keeps their entries."""

    def __init__(
        self,
        client: ApiClient,
        *,
        may_write: Callable[[ObjectRef], bool],
        clock: Clock,
        observer: WriteObserver,
    ) -> None:
        self._client = client
        self._may_write = may_write
        self._clock = clock
        self._observer = observer

    async def send(
        self, ref: ObjectRef, entry: StatusEntry, status: Encoded, *, if_version: str | None = None
    ) -> None:
        """Have the API server take a status; for ``if_version`` see :func:`status_patch`.

        Raises NotFoundError of an object that is deleted, or recreated, OutdatedError, and what the API server answers
        otherwise.
        """
        if not self._may_write(ref):
            raise ApiUnavailableError(f"the Lease that covers {ref.key} is not certain to be ours")
        before, guard = entry.begin(status), None if if_version else entry.known_version
        try:
            patch = status_patch(ref, status, if_version=if_version, guard=guard)
            version = await self._client.json_patch(ref.resource, ref.key, patch, subresource="status")
        except ApiUnavailableError:
            # The answer may have been lost on its way, and not the request: the entry is in doubt.
            self._observer.failed()
            raise
        except (NotFoundError, RefusedObjectError, ConflictError) as error:
            entry.refuse(before)
            self._observer.failed()
            if isinstance(error, ConflictError) and guard is None:
                raise
            raise await self._look(ref, entry, error) from None
        except ThingOperatorError:
            entry.refuse(before)
            self._observer.failed()
            raise
        entry.accept(status, now=self._clock.monotonic(), version=version_number(version))
        self._observer.written()

    async def _look(
        self, ref: ObjectRef, entry: StatusEntry, error: ThingOperatorError
    ) -> ThingOperatorError:
        """What a refusal comes to, by the object as it is."""
        body = await read(self._client, ref)
        if body is None:
            return NotFoundError(f"{ref.key} is deleted, or was recreated")
        if isinstance(error, ConflictError):
            entry.read_again(encode(body.get("status") or {}), guard=body["metadata"]["resourceVersion"])
            return OutdatedError(f"{ref.key} is no longer as it was known", body)
        if isinstance(error, NotFoundError):
            return ApiUnavailableError(f"{error.message}, and the object is there")
        return error
