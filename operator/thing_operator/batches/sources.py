"""Where a batch's zips come from: Secrets, a url in a Secret, MIC. What was imported need not be there any more."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from weakref import WeakValueDictionary

from thing_operator.api.thingbatch import ImportedSource, OrderStatus, SecretSource, SourceSpec
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials import keys_in_words
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.download.https import HttpsClient
from thing_operator.kube.confirm import get_confirmed
from thing_operator.kube.errors import InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS
from thing_operator.mic import Account

DEFAULT_URL_KEY = "url"

Hold = Callable[[int], Callable[[int], None]]
"""Counts so many bytes as held; returns a function that takes how many they are by now, for what grows."""


class SourceNotFoundError(UserError):
    """A source Secret, or its key, is not there (yet)."""

    reason = Reason.SOURCE_NOT_FOUND


def of_children(source: SourceSpec) -> tuple[ImportedSource, ...]:
    """What a source is in status when nothing is known of it but the children that it had."""
    if source.secrets is not None:
        return tuple(ImportedSource(name=each.name, key=each.key) for each in source.secrets)
    if source.url is not None:
        return (ImportedSource(name=source.url.secret_name, key=source.url.key or DEFAULT_URL_KEY),)
    return (ImportedSource(name=(source.cloud_api and source.cloud_api.batch_id) or ""),)


class Completeness(Enum):
    """How much of what was imported before is there."""

    LACKING = auto()
    """A Secret that was imported is not there any more, or MIC has not made all things."""
    PARTLY = auto()
    """All that was imported is there; something could not be imported."""
    COMPLETE = auto()
    """All is imported and there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One zip. ``content`` is None when it was imported before and is not needed, or not there, now."""

    imported: ImportedSource
    content: bytes | None = field(repr=False, default=None)

    @property
    def label(self) -> str:
        """The zip as messages name it: Secret and key, or MIC's batch."""
        name, key = self.imported.name, self.imported.key
        return f"Secret {name}/{key}" if key else f"MIC's batch {name}"


@dataclass(frozen=True, slots=True)
class SourceSecret:
    """A Secret as it was read: only this state of it may be deleted after the import.

    ``data_key`` is the key that was read of ``all_keys``.
    """

    key: ObjectKey
    uid: str
    resource_version: str
    data_key: str
    all_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a reconcile has to go by. ``trouble``: what stands in the way of all that the spec names."""

    parts: tuple[Part, ...]
    secrets: tuple[SourceSecret, ...] = ()
    trouble: UserError | None = None
    order: OrderStatus | None = None

    @property
    def zips(self) -> list[tuple[str, bytes]]:
        """Those that are there, each with its name in messages."""
        return [(part.label, part.content) for part in self.parts if part.content is not None]

    @property
    def is_whole(self) -> bool:
        """Whether every zip is there: only then is a thing that none of them has out of the batch."""
        is_missing = isinstance(self.trouble, SourceNotFoundError)
        return not is_missing and all(part.content is not None for part in self.parts)

    @property
    def is_by_children(self) -> bool:
        """Whether what was imported is known by the children alone: status was lost, and the zips are not there."""
        return any(part.imported.digest is None for part in self.parts)

    @property
    def digest(self) -> str | None:
        """SHA-256 over the zips', None when not all are known."""
        digests = [part.imported.digest for part in self.parts if part.imported.digest is not None]
        if len(digests) < len(self.parts):
            return None
        return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _all_of(missing: list[SourceNotFoundError]) -> SourceNotFoundError:
    return SourceNotFoundError("; ".join(error.message for error in missing))


class SourceReader:
    """Reads source Secrets and fetches what they point to; nothing is kept."""

    def __init__(self, client: ApiClient, https: HttpsClient) -> None:
        self._client = client
        self._https = https
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of downloads, by namespace."""

    async def zips(
        self,
        namespace: str,
        wanted: tuple[SecretSource, ...],
        *,
        before: tuple[ImportedSource, ...],
        hold: Hold,
    ) -> Sources:
        """The zips in Secrets, whose bytes ``hold`` counts.

        Raises SourceNotFoundError when none of them is there or ever was, and MemoryBudgetExceededError.
        """
        parts: list[Part] = []
        secrets: list[SourceSecret] = []
        missing: list[SourceNotFoundError] = []
        for source in wanted:
            try:
                content, secret = await self.value(namespace, source.name, source.key)
            except SourceNotFoundError as error:
                known = next(
                    (each for each in before if (each.name, each.key) == (source.name, source.key)), None
                )
                if known is None:
                    missing.append(error)
                else:
                    parts.append(Part(known))
                continue
            hold(len(content))
            digest = hashlib.sha256(content).hexdigest()
            parts.append(Part(ImportedSource(name=source.name, key=source.key, digest=digest), content))
            secrets.append(secret)
        if not parts:
            raise _all_of(missing)
        return Sources(tuple(parts), tuple(secrets), trouble=_all_of(missing) if missing else None)

    async def from_url(
        self,
        namespace: str,
        *,
        secret_name: str,
        key: str,
        before: tuple[ImportedSource, ...],
        completeness: Completeness,
        hold: Hold,
    ) -> Sources:
        """The zip behind a url, whose bytes ``hold`` counts; not fetched again as long as the url is the same and
        nothing is lacking.

        Where only what could not be imported is lacking, a zip that is to be had no more is no error.
        """
        known = next((each for each in before if (each.name, each.key) == (secret_name, key)), None)
        try:
            value, secret = await self.value(namespace, secret_name, key)
        except SourceNotFoundError:
            if known is None:
                raise
            return Sources((Part(known),))
        url_digest = hashlib.sha256(value.strip()).hexdigest()
        same = known if known is not None and known.url_digest == url_digest else None
        if same is not None and completeness is Completeness.COMPLETE:
            return Sources((Part(same),), (secret,))
        try:
            content = await self._download(namespace, value.decode("latin-1"), hold)
        except ThingOperatorError:
            if same is not None and completeness is Completeness.PARTLY:
                return Sources((Part(same),), (secret,))
            raise
        digest = hashlib.sha256(content).hexdigest()
        imported = ImportedSource(name=secret_name, key=key, digest=digest, url_digest=url_digest)
        return Sources((Part(imported, content),), (secret,))

    async def _download(self, namespace: str, url: str, hold: Hold) -> bytes:
        """One download of a namespace at a time: what hangs holds up nobody else's, and is held in memory once."""
        turn = self._turns.setdefault(namespace, asyncio.Lock())
        async with turn:
            return await self._https.download(url, limit=DEFAULT_LIMITS.archive, on_size=hold(0))

    async def remove(self, secrets: Iterable[SourceSecret]) -> None:
        """Delete these Secrets, or of one that holds more than zips the zips; each only in the state in which it was
        read.
        """
        keys: dict[ObjectKey, set[str]] = {}
        read = {secret.key: secret for secret in secrets}
        for secret in secrets:
            keys.setdefault(secret.key, set()).add(secret.data_key)
        for key, secret in read.items():
            if secret.all_keys <= keys[key]:
                await self._client.delete(SECRETS, key, uid=secret.uid, version=secret.resource_version)
            else:
                await self._remove_keys(secret, keys[key])

    async def _remove_keys(self, secret: SourceSecret, keys: Iterable[str]) -> None:
        tests = {"uid": secret.uid, "resourceVersion": secret.resource_version}
        operations = [
            *({"op": "test", "path": f"/metadata/{name}", "value": value} for name, value in tests.items()),
            *({"op": "remove", "path": f"/data/{key}"} for key in sorted(keys)),
        ]
        try:
            await self._client.json_patch(SECRETS, secret.key, operations)
        except (NotFoundError, InvalidObjectError):
            # It is deleted, or was changed since: then it is read again.
            return

    async def account(self, namespace: str, secret_name: str) -> Account:
        """User name and password of a MIC account. Raises SourceNotFoundError."""
        name, _ = await self.value(namespace, secret_name, "userName")
        password, _ = await self.value(namespace, secret_name, "password")
        # A file that was made with an editor ends with a line break that is not part of it.
        return Account(*(each.decode("utf-8", "replace").rstrip("\r\n") for each in (name, password)))

    async def value(self, namespace: str, name: str, key: str) -> tuple[bytes, SourceSecret]:
        """What a key of a Secret holds. Raises SourceNotFoundError."""
        try:
            secret = await get_confirmed(self._client, SECRETS, ObjectKey(namespace, name))
        except NotFoundError:
            raise SourceNotFoundError(
                f"Secret {name} is not in namespace {namespace}: store {key} there (a zip by "
                "thing-operator batch import, for example)"
            ) from None
        data = secret.get("data") or {}
        if not data.get(key):
            raise SourceNotFoundError(
                f"Secret {name} has {keys_in_words(data)}, and not {key} with something in it"
            )
        meta = secret["metadata"]
        return base64.b64decode(data[key]), SourceSecret(
            ObjectKey(namespace, name), meta["uid"], meta["resourceVersion"], key, frozenset(data)
        )
