"""Thing batches: made in the background, zipped, offered under an address that expires.

Source: docs/background/mic.md#batches-of-things.
"""

import asyncio
import hashlib
import hmac
import io
import logging
import math
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from thing_operator_local.cloud.registry import Registry, Thing
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.cloud.store import Store
from thing_operator_local.files import write_secret
from thing_operator_local.pki import KeyType

DOWNLOADS: Final = "/thing-certs"
"""Where the addresses of zips lead to, below the API's host."""

_ZIP_TIME: Final = (2026, 1, 1, 0, 0, 0)
_PAGE: Final = 1000
_OF_THE_ZIP: Final = ("Key", "Size", "LastModified", "ETag")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What a batch is to be; checked by the API."""

    thing_type: str
    domain: str
    size: int
    concurrency: int
    key_type: KeyType
    protocol: str
    created_by: str


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches to list: of any of the domains, of any of the thing types, with all of the texts in them."""

    domains: tuple[str, ...] = ()
    thing_types: tuple[str, ...] = ()
    free_texts: tuple[str, ...] = ()

    def admits(self, batch: dict[str, Any]) -> bool:
        """Whether a batch is to be listed; an empty filter says nothing. Texts are found in any letter case."""
        thing_type, domain = batch["attributes"]["thingType"], batch["attributes"]["domain"]
        text = "\n".join((thing_type, domain, batch["createdBy"], batch["batchId"])).lower()
        return (
            (not self.domains or domain in self.domains)
            and (not self.thing_types or thing_type in self.thing_types)
            and all(each.lower() in text for each in self.free_texts)
        )


class Batches:
    """All batches of the account. Unfinished ones go on after a restart. ``clock_ms`` gives epoch milliseconds."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        folder: Path,
        *,
        random: SeededRandom,
        url_seconds: float,
        clock_ms: Callable[[], int],
    ) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._store = store
        self._registry = registry
        self._folder = folder
        self._url_seconds = url_seconds
        self._clock_ms = clock_ms
        self._random = random
        self._secret = store.meta("urlSecret", random.text("urlSecret", 32)).encode()
        self._batches: dict[str, dict[str, Any]] = {body["batchId"]: body for body in store.batches()}
        self._work: set[asyncio.Task[None]] = set()

    def order(self, asked: BatchRequest) -> str:
        """Begin a batch; returns its id."""
        created_at = self._clock_ms()
        batch: dict[str, Any] = {
            "batchId": self._random.uuid("batch"),
            "attributes": {"thingType": asked.thing_type, "domain": asked.domain},
            "requestedSize": asked.size,
            "currentSize": 0,
            "concurrency": asked.concurrency,
            "createdBy": asked.created_by,
            "createdAt": created_at,
            "errors": [],
            "keyType": asked.key_type,
            "protocol": asked.protocol,
            "things": [],
        }
        batch["Key"] = f"batch-{asked.thing_type}-{created_at}-{batch['batchId'][:8]}.zip"
        self._keep(batch)
        self._begin(batch)
        return str(batch["batchId"])

    def resume(self) -> None:
        """Go on with what a former run left unfinished."""
        for batch in self._batches.values():
            if "finishedAt" not in batch:
                self._begin(batch)

    def listed(self, wanted: BatchFilter, *, base: str) -> list[dict[str, Any]]:
        """As the API lists them: unfinished first, then the latest; ``base`` is the host of download addresses."""
        found = sorted(
            filter(wanted.admits, self._batches.values()),
            key=lambda batch: (batch.get("finishedAt", math.inf), batch["createdAt"]),
            reverse=True,
        )
        return [self._item(batch, base=base) for batch in found[:_PAGE]]

    def download(self, key: str, *, expires: str, signature: str) -> bytes | None:
        """The zip; None when the address is not one of ours or has expired."""
        right = self._signature(key, expires)
        if not hmac.compare_digest(signature.encode(errors="surrogatepass"), right.encode()):
            return None
        if int(expires) * 1000 < self._clock_ms():
            return None
        return (self._folder / key).read_bytes()

    async def stop(self) -> None:
        """Leave unfinished work to the next run."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def _begin(self, batch: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._make(batch))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _make(self, batch: dict[str, Any]) -> None:
        try:
            await self._make_things(batch)
            await self._make_zip(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was: who ordered the batch waits for its end
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            _log.exception("batch %s was not made", batch["batchId"], exc_info=cause)
            batch["errors"].append(f"The batch was not made: {type(cause).__name__}")
        batch["finishedAt"] = self._clock_ms()
        self._keep(batch)

    async def _make_things(self, batch: dict[str, Any]) -> None:
        numbers = iter(range(batch["requestedSize"] - len(batch["things"])))
        async with asyncio.TaskGroup() as group:
            for _ in range(batch["concurrency"]):
                group.create_task(self._make_some(batch, numbers))
        await self._registry.announce()

    async def _make_zip(self, batch: dict[str, Any]) -> None:
        names = sorted(batch["things"])
        things = [thing for name in names if (thing := self._registry.get(name)) is not None]
        data = await asyncio.to_thread(self._write_zip, self._folder / batch["Key"], things)
        batch["Size"] = len(data)
        batch["LastModified"] = self._clock_ms()
        batch["ETag"] = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'

    @staticmethod
    def _write_zip(file: Path, things: Iterable[Thing]) -> bytes:
        data = zip_credentials(things)
        write_secret(file, data)
        return data

    async def _make_some(self, batch: dict[str, Any], numbers: Iterable[int]) -> None:
        for _ in numbers:
            thing = await self._registry.create(
                thing_type=batch["attributes"]["thingType"],
                domain=batch["attributes"]["domain"],
                created_by=batch["createdBy"],
                key_type=KeyType(batch["keyType"]),
                attributes={"protocol": batch.get("protocol", "mqtt")},
            )
            batch["things"].append(thing.name)
            batch["currentSize"] = len(batch["things"])
            self._keep(batch)

    def _item(self, batch: dict[str, Any], *, base: str) -> dict[str, Any]:
        item = {key: value for key, value in batch.items() if key not in {"things", "keyType", "protocol"}}
        if "ETag" in batch and "finishedAt" in batch:
            expires = str(int(self._clock_ms() / 1000 + self._url_seconds))
            signature = self._signature(batch["Key"], expires)
            item["url"] = f"{base}{DOWNLOADS}/{batch['Key']}?Expires={expires}&Signature={signature}"
        else:
            for key in _OF_THE_ZIP:
                item.pop(key, None)
        return item

    def _signature(self, key: str, expires: str) -> str:
        return hmac.new(
            self._secret, f"{key}\n{expires}".encode(errors="surrogatepass"), hashlib.sha256
        ).hexdigest()

    def _keep(self, batch: dict[str, Any]) -> None:
        self._batches[batch["batchId"]] = batch
        self._store.put_batch(batch["batchId"], batch)


def zip_credentials(things: Iterable[Thing]) -> bytes:
    """MIC's layout (docs/background/mic.md#the-zip): a folder per thing with cert.pem, privkey.pem and pubkey.pem."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for thing in things:
            if thing.credentials is None:
                continue
            for file, text in (
                ("cert.pem", thing.credentials.certificate),
                ("privkey.pem", thing.credentials.private_key),
                ("pubkey.pem", thing.credentials.public_key),
            ):
                entry = zipfile.ZipInfo(f"{thing.name}/{file}", _ZIP_TIME)
                entry.external_attr = 0o600 << 16
                archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
