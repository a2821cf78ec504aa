"""Where logs are kept: a ConfigMap for each process that has one, all in one namespace, found by their label."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from thing_operator.api.names import GROUP
from thing_operator.core.resource import ObjectKey
from thing_operator.intents.intent import Intent
from thing_operator.intents.log_text import Intents, UnreadableLogError, read_log, write_log
from thing_operator.kube.errors import ConflictError, NotFoundError
from thing_operator.kube.ports import ApiClient, Body
from thing_operator.kube.resources import CONFIG_MAPS

INTENTS_LABEL: Final = f"{GROUP}/intents"
_HOLDER_ANNOTATION: Final = f"{GROUP}/holder"
_KEY: Final = "log"


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log as it was read, in this version."""

    key: ObjectKey
    version: str
    intents: dict[str, Intent]


class LogStore:
    """The logs of a namespace. Methods raise the errors of ``kube.errors``."""

    def __init__(self, client: ApiClient, namespace: str, *, name: str, holder: str) -> None:
        """``name``: of our own log's ConfigMap, which no other process uses; ``holder``: who we are, for people."""
        self._client = client
        self._key = ObjectKey(namespace, name)
        self._holder = holder
        self._version: str | None = None
        """Of our own log; None when there is none."""

    async def read_all(self) -> tuple[list[FoundLog], list[str]]:
        """Every log but our own, and what is wrong with those that cannot be read."""
        found: list[FoundLog] = []
        unreadable: list[str] = []
        bodies = await self._client.list(
            CONFIG_MAPS, namespace=self._key.namespace, label_selector=INTENTS_LABEL
        )
        for body in bodies:
            metadata = body["metadata"]
            key = ObjectKey.of(metadata)
            if key == self._key:
                continue
            try:
                intents = read_log(_text_of(body))
            except UnreadableLogError as error:
                unreadable.append(f"ConfigMap {key} cannot be read: {error.message}")
            else:
                found.append(FoundLog(key, metadata["resourceVersion"], intents))
        return found, unreadable

    async def write(self, intents: Intents) -> None:
        """Have our own log hold these intents and no others. ConflictError when it is not as we have left it."""
        body = self._body(self._key, intents, version=self._version)
        if self._version is None:
            stored = await self._client.create(CONFIG_MAPS, self._key.namespace, body)
        else:
            try:
                stored = await self._client.replace(CONFIG_MAPS, self._key, body)
            except NotFoundError:
                raise ConflictError(f"ConfigMap {self._key} was deleted") from None
        self._version = stored["metadata"]["resourceVersion"]

    async def read_again(self) -> dict[str, Intent]:
        """What others have left in our own log, to be called after a ConflictError."""
        try:
            body = await self._client.get(CONFIG_MAPS, self._key)
        except NotFoundError:
            self._version = None
            return {}
        self._version = body["metadata"]["resourceVersion"]
        with suppress(UnreadableLogError):
            return read_log(_text_of(body))
        return {}

    async def clear(self) -> None:
        """Delete our own log: it has nothing to say."""
        await self._client.delete(CONFIG_MAPS, self._key)
        self._version = None

    async def shorten(self, found: FoundLog, kept: Intents) -> None:
        """Leave these intents in the log of another process; without any it is deleted. Nothing if it has changed."""
        if not kept:
            await self._client.delete(CONFIG_MAPS, found.key, version=found.version)
            return
        with suppress(ConflictError, NotFoundError):
            body = self._body(found.key, kept, version=found.version)
            await self._client.replace(CONFIG_MAPS, found.key, body)

    def _body(self, key: ObjectKey, intents: Intents, *, version: str | None) -> Body:
        metadata: dict[str, Any] = {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {INTENTS_LABEL: ""},
            "annotations": {_HOLDER_ANNOTATION: self._holder},
        }
        if version is not None:
            metadata["resourceVersion"] = version
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": metadata,
            "data": {_KEY: write_log(intents)},
        }


def _text_of(body: Body) -> str:
    return (body.get("data") or {}).get(_KEY) or ""
