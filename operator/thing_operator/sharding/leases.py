"""The Leases of a group at the API server: read, written, followed. What they mean is decided elsewhere."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource_versions import version_number
from thing_operator.kube.errors import ConflictError, InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient, WatchEvent, WatchRequest
from thing_operator.kube.watch_events import BOOKMARK, DELETED
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.member import GROUP_LABEL, Group, MemberLease
from thing_operator.sharding.protocol import MapSighting, Member
from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap

log = logging.getLogger(__name__)

_WATCH_PAUSE: Final = 1.0


class GroupLeases:
    """The Leases of one group, by one client. Each request has a time limit of its own, in seconds."""

    def __init__(
        self, client: ApiClient, group: Group, member: Member, *, clock: Clock, patience: float
    ) -> None:
        """``member`` is shown all that is read."""
        self._client = client
        self._group = group
        self._member = member
        self._clock = clock
        self._patience = patience
        self.changed = asyncio.Event()
        """Something was shown that was not known."""

    async def look(self, name: str) -> None:
        """Read a member's Lease. Raises what the client raises, and TimeoutError."""
        async with asyncio.timeout(self._patience):
            try:
                lease = MemberLease.of(await self._client.get(LEASES, self._group.key(name)))
            except NotFoundError:
                lease = None
        self._show(name, lease)

    async def write(self, name: str, body: Mapping[str, Any], *, lane: str = "") -> bool:
        """Write a member's Lease; False: somebody else was quicker, and it was read. Raises as :meth:`look`."""
        try:
            async with asyncio.timeout(self._patience):
                stored = await self._client.replace(LEASES, self._group.key(name), body, lane=lane)
        except (ConflictError, InvalidObjectError):
            await self.look(name)
            return False
        self._show(name, MemberLease.of(stored))
        return True

    async def end(self, name: str, former: MemberLease | None) -> bool:
        """Write that the holder of a Lease has ended, or is fenced; see :meth:`write`."""
        return await self.write(name, self._group.ended_body(name, now=self._clock.now(), former=former))

    async def remove(self, name: str, lease: MemberLease) -> None:
        """Delete a Lease, as it was seen. Raises as :meth:`look`."""
        async with asyncio.timeout(self._patience):
            await self._client.delete(LEASES, self._group.key(name), version=lease.version)

    async def write_map(self, new: ShardMap, former: MapSighting | None) -> bool:
        """Write the map in place of what was seen; False: somebody else was quicker, and it was read.

        Raises as :meth:`look`.
        """
        key = self._group.map_key
        metadata: dict[str, Any] = {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {GROUP_LABEL: self._group.name},
            "annotations": {MAP_ANNOTATION: new.text},
        }
        if former is not None and former.exists:
            metadata["resourceVersion"] = str(former.version)
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": {}}
        async with asyncio.timeout(self._patience):
            try:
                stored = await self._client.replace(LEASES, key, body)
            except (ConflictError, InvalidObjectError):
                await self._look_at_map()
                return False
        self._show_map(map_of(stored))
        return True

    async def list(self) -> str:
        """Read all of them; returns the version to watch from. Raises what the client raises."""
        version, absent, has_map = "", set(self._member.fellows.names()), False
        pages = self._client.pages(
            LEASES,
            namespace=self._group.namespace,
            query={"labelSelector": f"{GROUP_LABEL}={self._group.name}"},
            metadata_only=False,
        )
        async for page in pages:
            version = page["metadata"]["resourceVersion"]
            for body in page["items"]:
                name = body["metadata"]["name"]
                absent.discard(name)
                has_map = has_map or name == self._group.map_key.name
                self._take(body, is_there=True)
        as_of = version_number(version)
        for name in absent:
            self._show(name, None, in_order=True, as_of=as_of)
        if not has_map:
            self._show_map(MapSighting(as_of or 0, None, exists=False))
        return version

    async def follow(self) -> None:
        """List and watch until cancelled; trouble is waited out."""
        while True:
            try:
                version = await self.list()
                request = WatchRequest(LEASES, self._group.namespace, version)
                async with aclosing(self._client.watch(request)) as events:
                    async for event in events:
                        self._on_event(event)
                continue
            except ThingOperatorError as error:
                log.debug("the watch of the replicas' Leases: %s", error.message)
            except Exception:
                log.exception("the watch of the replicas' Leases failed unexpectedly")
            await asyncio.sleep(_WATCH_PAUSE)

    async def _look_at_map(self) -> None:
        try:
            found = map_of(await self._client.get(LEASES, self._group.map_key))
        except NotFoundError:
            return  # the watch says as of which version
        self._show_map(found)

    def _on_event(self, event: WatchEvent) -> None:
        if event.kind != BOOKMARK:
            self._take(event.body, is_there=event.kind != DELETED)

    def _take(self, body: Mapping[str, Any], *, is_there: bool) -> None:
        metadata = body["metadata"]
        if (metadata.get("labels") or {}).get(GROUP_LABEL) != self._group.name:
            return
        if metadata["name"] != self._group.map_key.name:
            lease = MemberLease.of(body)
            as_of = version_number(lease.version)
            self._show(metadata["name"], lease if is_there else None, in_order=True, as_of=as_of)
        else:
            found = map_of(body)
            self._show_map(found if is_there else MapSighting(found.version, None, exists=False))

    def _show(
        self, name: str, lease: MemberLease | None, *, in_order: bool = False, as_of: int | None = None
    ) -> None:
        now, before = self._clock.monotonic(), self._role(name)
        was_fresh = self._member.own.is_fresh(now)
        self._member.see(name, lease, now=now, in_order=in_order, as_of=as_of)
        if self._role(name) != before or self._member.own.is_fresh(now) != was_fresh:
            self.changed.set()

    def _role(self, name: str) -> tuple[str, bool] | None:
        """What counts of a member's Lease, but for its renewal."""
        lease = self._member.fellows.lease(name)
        return (lease.holder, lease.takes) if lease else None

    def _show_map(self, found: MapSighting) -> None:
        self._member.see_map(found, now=self._clock.monotonic())
        self.changed.set()


def map_of(body: Mapping[str, Any]) -> MapSighting:
    """What a Lease says of the map."""
    metadata = body["metadata"]
    text = (metadata.get("annotations") or {}).get(MAP_ANNOTATION)
    return MapSighting(version_number(str(metadata.get("resourceVersion", ""))) or 0, text, exists=True)
