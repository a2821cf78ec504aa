"""Reading a thing's credentials and CA from the API server, and checking them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials import Credentials, check_pair, pick_pair
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.things.resolved import ResolvedThing

CA_KEY = "ca.crt"


class SecretNotFoundError(UserError):
    """The Secret with the credentials is not there (yet)."""

    reason = Reason.SECRET_NOT_FOUND


class CaNotFoundError(UserError):
    """The Secret or ConfigMap with the CA is not there, or lacks the key."""

    reason = Reason.CA_NOT_FOUND


@dataclass(frozen=True, slots=True)
class ThingIdentity:
    """Checked credentials and the CA to verify the broker with (None: the operator's default)."""

    credentials: Credentials = field(repr=False)
    ca_pem: str | None = field(repr=False)


async def read_identity(
    client: ApiClient, *, namespace: str, resolved: ResolvedThing, now: datetime
) -> ThingIdentity:
    """Read and check the Secret and the CA that ``resolved`` names.

    Raises SecretNotFoundError, CaNotFoundError, CredentialsError (reasons of CredentialsValid) or what the
    API server client raises.
    """
    key = ObjectKey(namespace, resolved.secret_name)
    try:
        secret = await client.get(SECRETS, key)
    except NotFoundError:
        raise SecretNotFoundError(
            f"Secret {resolved.secret_name} is not in namespace {namespace}: import the batch of this thing, or "
            "name another Secret in spec.credentials.secretName"
        ) from None
    data = _decoded(secret.get("data") or {})
    certificate, private_key = pick_pair(
        data, certificate_key=resolved.certificate_key, private_key_key=resolved.private_key_key
    )
    credentials = check_pair(certificate, private_key, now=now)
    return ThingIdentity(credentials, await _read_ca(client, namespace=namespace, resolved=resolved))


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
    data = body.get("data") or {}
    if CA_KEY not in data:
        raise CaNotFoundError(f"{kind} {name} has no key {CA_KEY}: put the broker's CA there, as PEM")
    text = data[CA_KEY]
    return _decoded({CA_KEY: text})[CA_KEY].decode("utf-8", "replace") if resource is SECRETS else str(text)


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in data.items()}
