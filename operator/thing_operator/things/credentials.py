"""Reading a thing's credentials and CA from the API server, and checking them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.credentials import (
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


class SecretNotFoundError(UserError):
    """The Secret with the credentials is not there (yet)."""

    reason = Reason.SECRET_NOT_FOUND


class CaNotFoundError(UserError):
    """The Secret or ConfigMap with the CA is not there, or has none that can be used."""

    reason = Reason.CA_NOT_FOUND


@dataclass(frozen=True, slots=True)
class ThingIdentity:
    """Checked credentials and the CA to verify the broker with (None: the operator's default)."""

    credentials: Credentials = field(repr=False)
    ca_pem: str | None = field(repr=False)


async def read_identity(
    client: ApiClient,
    *,
    namespace: str,
    resolved: ResolvedThing,
    now: datetime,
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
    return ThingIdentity(credentials, await _read_ca(client, namespace=namespace, resolved=resolved))


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


async def _read_ca(client: ApiClient, *, namespace: str, resolved: ResolvedThing) -> str | None:
    if resolved.ca_secret_name:
        resource, name, kind = SECRETS, resolved.ca_secret_name, "Secret"
    elif resolved.ca_config_map_name:
        resource, name, kind = CONFIG_MAPS, resolved.ca_config_map_name, "ConfigMap"
    else:
        return None
    try:
        body = await client.get(resource, ObjectKey(namespace, name))
    except NotFoundError:
        raise CaNotFoundError(f"{kind} {name} with the broker's CA is not in namespace {namespace}") from None
    return _checked_ca(_values_of(body, resource), where=f"{kind} {name}")


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
