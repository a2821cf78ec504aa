"""Reading a thing's credentials and CA from the API server, and checking them."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from weakref import WeakValueDictionary, finalize

from thing_operator.core.errors import UserError
from thing_operator.core.memory_budget import Held, MemoryBudget, MemoryBudgetExceededError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.credentials import (
    CaBundle,
    Credentials,
    CredentialsError,
    check_keys,
    keys_in_words,
    read_authorities,
)
from thing_operator.kube.confirm import get_confirmed
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.twin.resolved import ResolvedThing

CA_KEY = "ca.crt"
_CA_BYTES: Final = 64 * 1024
_CA_CERTIFICATES: Final = 50
_READS_AT_A_TIME: Final = 8
"""Of objects with a CA: each may be a MiB, whatever is taken of it."""
_CONTEXT_BYTES: Final = 64 * 1024
_BYTES_IN_MEMORY: Final = 12
"""What a byte of PEM takes when it is parsed, and a TLS context beside it (measured with OpenSSL 3)."""


class SecretNotFoundError(UserError):
    """The Secret with the credentials is not there (yet)."""

    reason = Reason.SECRET_NOT_FOUND


class CaNotFoundError(UserError):
    """The Secret or ConfigMap with the CA is not there, or has none that can be used."""

    reason = Reason.CA_NOT_FOUND


class CaTooLargeError(CaNotFoundError):
    """The CA is more than a Thing may name."""

    reason = Reason.CA_TOO_LARGE


class CaStore:
    """The CAs that Things name: one of each content in a namespace, for as long as somebody has it."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._bundles: WeakValueDictionary[tuple[str, bytes], CaBundle] = WeakValueDictionary()
        self.reading = asyncio.Semaphore(_READS_AT_A_TIME)

    def __len__(self) -> int:
        return len(self._bundles)

    def shared(self, namespace: str, pem: str) -> CaBundle:
        """The one bundle of this content. Raises MemoryBudgetExceededError for a new one beyond the budget."""
        bundle = CaBundle.of(pem)
        key = (namespace, bundle.digest)
        if (known := self._bundles.get(key)) is not None:
            return known
        holding = self._budget.hold(Held.CA, namespace, _CONTEXT_BYTES + _BYTES_IN_MEMORY * len(pem))
        finalize(bundle, holding.release).atexit = False
        self._bundles[key] = bundle
        return bundle


@dataclass(frozen=True, slots=True)
class ThingIdentity:
    """Checked credentials and the CA to verify the broker with (None: the operator's default)."""

    credentials: Credentials = field(repr=False)
    ca: CaBundle | None


async def read_identity(
    client: ApiClient,
    *,
    namespace: str,
    resolved: ResolvedThing,
    now: datetime,
    cas: CaStore,
    not_before: str | None = None,
) -> ThingIdentity:
    """Read and check the Secret and the CA that ``resolved`` names; the Secret as of ``not_before`` or later.

    Raises SecretNotFoundError, CaNotFoundError, CredentialsError (reasons of CredentialsValid) or what the
    API server client raises.
    """
    key = ObjectKey(namespace, resolved.secret_name)
    try:
        secret = await get_confirmed(client, SECRETS, key, not_before=not_before)
    except NotFoundError:
        raise SecretNotFoundError(
            f"Secret {resolved.secret_name} is not in namespace {namespace}: import the batch of this thing, or "
            "name another Secret in spec.credentials.secretName"
        ) from None
    credentials = _checked_pair(_decoded(secret.get("data") or {}), resolved, now=now)
    return ThingIdentity(credentials, await _read_ca(client, cas, namespace=namespace, resolved=resolved))


def _checked_pair(data: Mapping[str, bytes], resolved: ResolvedThing, *, now: datetime) -> Credentials:
    """An error of theirs names the Secret and its keys."""
    try:
        return check_keys(
            data,
            now=now,
            certificate_key=resolved.certificate_key,
            private_key_key=resolved.private_key_key,
        )
    except CredentialsError as error:
        raise error.about(f"Secret {resolved.secret_name}") from None


async def _read_ca(
    client: ApiClient, cas: CaStore, *, namespace: str, resolved: ResolvedThing
) -> CaBundle | None:
    if resolved.ca_secret_name:
        resource, name, kind, field = SECRETS, resolved.ca_secret_name, "Secret", "caSecretName"
    elif resolved.ca_config_map_name:
        resource, name, kind, field = CONFIG_MAPS, resolved.ca_config_map_name, "ConfigMap", "caConfigMapName"
    else:
        return None
    async with cas.reading:
        try:
            body = await client.get(resource, ObjectKey(namespace, name))
        except NotFoundError:
            raise CaNotFoundError(
                f"{kind} {name} with the broker's CA is not in namespace {namespace}: store the CA there, or name "
                f"another {kind} in spec.endpoint.{field}"
            ) from None
        pem = _checked_ca(_values_of(body, resource), where=f"{kind} {name}")
    try:
        return cas.shared(namespace, pem)
    except MemoryBudgetExceededError as error:
        raise CaNotFoundError(error.message, reason=error.reason) from None


def _checked_ca(data: Mapping[str, bytes], *, where: str) -> str:
    """What is under ``ca.crt``, else under the only key there is: others write it under names of their own."""
    key = CA_KEY if CA_KEY in data or len(data) != 1 else next(iter(data))
    if key not in data:
        raise CaNotFoundError(
            f"{where} has {keys_in_words(data)}: put the broker's CA under {CA_KEY}, as PEM"
        )
    if not data[key].strip():
        raise CaNotFoundError(
            f"{key} of {where} is empty: whoever keeps it has not put the broker's CA there yet, or knows none; "
            "it is read again until one is there"
        )
    if len(data[key]) > _CA_BYTES or data[key].count(b"-----BEGIN ") > _CA_CERTIFICATES:
        raise CaTooLargeError(
            f"{key} of {where} has {len(data[key])} bytes: a Thing may name a CA of at most {_CA_BYTES} bytes and "
            f"{_CA_CERTIFICATES} certificates; leave only the CA of the broker in it, or have a larger bundle named in "
            "endpoint.caFile of the operator's configuration"
        )
    try:
        return read_authorities(data[key])
    except CredentialsError as error:
        raise CaNotFoundError(f"{key} of {where} is no CA: {error.message}") from None


def _values_of(body: Mapping[str, Any], resource: Resource) -> dict[str, bytes]:
    """A ConfigMap has text, and what is no UTF-8 beside it, in base64; a Secret has base64 alone."""
    data = body.get("data") or {}
    if resource is SECRETS:
        return _decoded(data)
    return _decoded(body.get("binaryData") or {}) | {key: text.encode() for key, text in data.items()}


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in data.items()}
