"""All that comes in from the API server: both kinds by kopf's handlers, Secrets by their metadata, and the comparison
with the API server's lists, which shows what no watch has.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

from thing_operator.app.controllers import Controllers
from thing_operator.app.probes import Progress
from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.core.errors import INSTALL_CRDS, ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.kube.ports import ApiClient
from thing_operator.observability.observers import WatchObserver
from thing_operator.watching.kopf_handlers import kopf_registry
from thing_operator.watching.kopf_run import KopfRun
from thing_operator.watching.member_watch import MemberWatch
from thing_operator.watching.object_stream import ObjectStream
from thing_operator.watching.secret_watch import SecretWatch
from thing_operator.watching.stream_health import StreamHealth, wait_for_answers

log = logging.getLogger(__name__)


class Watches:
    """One stream for each kind and namespace: each fails, is tried again and recovers for itself."""

    def __init__(
        self,
        client: ApiClient,
        controllers: Controllers,
        *,
        settings: Settings,
        observer: WatchObserver,
        clock: Clock,
        on_kopf_start: Callable[[], None],
    ) -> None:
        self._kind = controllers.things.informer.resource
        self._streams = {
            informer.resource.path(namespace): ObjectStream(
                client, informer, StreamHealth(informer.resource, namespace, clock=clock), observer=observer
            )
            for informer in (controller.informer for controller in controllers)
            for namespace in settings.namespaces or (None,)
        }
        self._secrets = SecretWatch(
            client,
            namespaces=settings.namespaces,
            on_secret=controllers.on_secret_change,
            on_resync=controllers.on_secrets_resync,
            clock=clock,
        )
        self._members = MemberWatch(
            client, controllers.things.informer, namespaces=settings.namespaces, clock=clock
        )
        self.kopf = KopfRun(
            kopf_registry(self._streams),
            namespaces=settings.namespaces,
            on_start=on_kopf_start,
            clock=clock,
        )
        self.progress = Progress(
            [stream.health for stream in self._streams.values()],
            self._secrets.healths,
            clock=clock,
            resync_interval=settings.resync_interval,
        )
        self._resync_seconds = settings.resync_interval.total_seconds()

    @property
    def of_things(self) -> list[ObjectStream]:
        """The lists and watches of Things."""
        return [stream for stream in self._streams.values() if stream.health.resource == self._kind]

    def start(self) -> Iterator["asyncio.Task[None]"]:
        """Begin to watch; the tasks live until they are cancelled."""
        yield asyncio.create_task(self._secrets.run(), name="secret watch")
        yield asyncio.create_task(self._members.run(), name="watch of networked children")
        yield asyncio.create_task(self.kopf.run(), name="kopf")
        yield asyncio.create_task(self._resync_forever(), name="resync")

    def things_unseen_for(self, namespace: str) -> timedelta:
        """For how long no watch has shown the Things of a namespace; 0 while one does. Asked by every reconcile."""
        stream = self._streams.get(self._kind.path(namespace)) or self._streams.get(self._kind.path(None))
        return stream.health.broken_for if stream else timedelta(0)

    def secrets_seen(self, namespace: str) -> str | None:
        """The newest resource version of a namespace's Secrets that is known here; None when none is."""
        return self._secrets.version_of(namespace)

    async def wait_for_lists(self) -> None:
        """Wait until everything is listed, but for what the API server refuses, or a namespace it is silent about.

        Raises ToolError when the cluster knows no Things: nobody has installed the operator there.
        """
        objects = [stream.health for stream in self._streams.values()]
        await wait_for_answers([*objects, *self._secrets.healths])
        if all(each.is_unknown for each in objects if each.resource == self._kind):
            raise ToolError(
                f"the cluster does not know Things: {INSTALL_CRDS}",
                reason=ToolReason.CRDS_MISSING,
            )

    async def _resync_forever(self) -> None:
        while True:
            await asyncio.sleep(self._resync_seconds)
            for stream in self._streams.values():
                await self._resync(stream)

    async def _resync(self, stream: ObjectStream) -> None:
        """Compare one namespace; the others do not notice when that fails."""
        name = stream.health.name
        try:
            await stream.relist()
        except ThingOperatorError as error:
            log.warning("the comparison of %s with the API server's list failed: %s", name, error.message)
        except Exception:
            # An object that cannot be understood must not end ten thousand sessions; readiness reports it.
            log.exception("the comparison of %s with the API server's list failed unexpectedly", name)
