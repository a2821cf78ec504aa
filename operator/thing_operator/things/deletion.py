"""The end of a Thing: its session, its shadow, its claim."""

from contextlib import suppress
from datetime import timedelta

from thing_operator.config import EndpointSettings
from thing_operator.core.errors import UserError
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.connect import Connect
from thing_operator.things.finalizer import ShadowFinalizer
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.runtime import ThingRuntime
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.resolved import resolve


class ThingDeletion:
    """Ends what belongs to a Thing that is being deleted, or that is no longer there."""

    def __init__(
        self,
        *,
        registry: ThingRegistry,
        connect: Connect,
        finalizer: ShadowFinalizer,
        publisher: StatusPublisher,
        settings: EndpointSettings,
    ) -> None:
        self._registry = registry
        self._connect = connect
        self._finalizer = finalizer
        self._publisher = publisher
        self._settings = settings

    async def reconcile(self, snapshot: ObjectSnapshot, thing: ThingRuntime) -> timedelta | None:
        """A Thing being deleted: without our finalizer only its session ends, with it the shadow is cleaned up.

        Returns when to try again, None when all is done. Raises what the API server answers.
        """
        if not self._finalizer.is_on(snapshot):
            await self._connect.end(thing, report_offline=True)
            return None
        resolution = resolve(snapshot, settings=self._settings)
        spec, resolved = resolution.spec, resolution.resolved
        if spec is not None and resolved is not None and self._registry.claim(snapshot, resolved) is None:
            with suppress(UserError):  # then there is no session, and the time runs out
                await self._connect.open_session(snapshot, thing, spec, resolved)
        thing.device.stop()
        again = await self._finalizer.finish(
            snapshot,
            policy=spec.deletion_policy if spec else None,
            session=thing.connection.session,
            managed=ManagedPaths.of(self._publisher.previous(snapshot)),
        )
        if again is None:
            await self._connect.end(thing, report_offline=False)
        return again

    async def forget(self, key: ObjectKey) -> None:
        """The object is no longer there: its session ends, and whoever waited for its thing may have it."""
        thing = self._registry.remove(key)
        if thing is not None:
            await self._connect.end(thing, report_offline=True)
        self._registry.release(key)
