"""TLS contexts and client certificates: one context for many identities, no key on a disk.

A context of its own costs each session 24 KiB and 1.4 ms (measured), so sessions share one per bundle of CAs, ALPN and
algorithm of key, for as long as anybody has that bundle. The certificate is swapped before each handshake:
``wrap_socket`` takes its own reference to it, which is given up after the handshake (7 KiB a session).

A session shows its own certificate or none. OpenSSL keeps one certificate per algorithm in a context, side by
side, and takes the one that suits the server: an RSA certificate loaded after an RSA-PSS one replaces nothing,
and a server with TLS 1.3 would be shown the other thing's. Hence each context is for one algorithm, which is read
from the very certificate that is loaded, and holds one certificate at any time; what OpenSSL may not distinguish
as we do is refused; and a context in which loading failed, which may hold half of an identity, is never used again.

Source: docs/background/aws-iot-shadow.md#tls-and-identity.
"""

import asyncio
import ssl
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.x509.oid import PublicKeyAlgorithmOID

from thing_operator.core.tls import client_context, load_identity
from thing_operator.credentials import CaBundle
from thing_operator.mqtt.errors import TlsFailedError

if TYPE_CHECKING:
    import socket

    from thing_operator.mqtt.model import Endpoint, Identity

_MQTT_ALPN_PORT = 443
_MQTT_ALPN = "x-amzn-mqtt-ca"
_ROOTS = tuple(f"amazon-root-ca-{number}.pem" for number in (1, 2, 3, 4))

_CERTIFICATE_FIRST: Final = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CERTIFICATE-----")
"""How the certificates of an identity begin, so that OpenSSL takes the one for the leaf that is looked at here."""

_ALGORITHMS: Final = frozenset(
    {
        PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
        PublicKeyAlgorithmOID.RSASSA_PSS,
        PublicKeyAlgorithmOID.EC_PUBLIC_KEY,  # any curve: one certificate for all of them
        PublicKeyAlgorithmOID.ED25519,
    }
)
"""Each has one place for a certificate in a context of OpenSSL, and none shares it."""

_Shared = tuple[bool, x509.ObjectIdentifier]
"""What the sessions of one context have in common beside their CA: ALPN or not, algorithm of the key."""


@cache
def amazon_roots() -> CaBundle:
    """The shipped Amazon roots."""
    folder = files("thing_operator.mqtt") / "roots"
    return CaBundle.of("".join((folder / name).read_text(encoding="ascii") for name in _ROOTS))


class TlsContexts:
    """Makes client TLS sockets; for one thread, since the identity is swapped."""

    def __init__(self) -> None:
        self._contexts: WeakKeyDictionary[CaBundle, dict[_Shared, ssl.SSLContext]] = WeakKeyDictionary()
        self._making = asyncio.Lock()
        self._without_identity = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._contexts.values()))

    async def prepare(self, endpoint: "Endpoint", identity: "Identity") -> None:
        """Have the context there that :meth:`wrap` takes. Raises TlsFailedError.

        A new one is made in a thread, and one at a time: the largest CA that a Thing may name takes some 15 ms, and a
        fleet that starts asks for the same one all at once.
        """
        shared = _shared(endpoint, identity)
        if shared in self._of(endpoint):
            return
        async with self._making:
            if shared not in self._of(endpoint):
                self._of(endpoint)[shared] = await asyncio.to_thread(_new_context, endpoint)

    def wrap(self, sock: "socket.socket", *, endpoint: "Endpoint", identity: "Identity") -> ssl.SSLSocket:
        """A TLS socket over ``sock`` that verifies the endpoint and shows the identity; no handshake yet.

        Takes ``sock`` over only when it returns. Computes for about half a millisecond. Raises TlsFailedError when
        the roots or the identity cannot be used.
        """
        shared, contexts = _shared(endpoint, identity), self._of(endpoint)
        # Taken out until the identity is in: whatever goes wrong, a context with half of one is not found again.
        context = contexts.pop(shared, None) or _new_context(endpoint)
        _load_identity(context, identity)
        contexts[shared] = context
        return context.wrap_socket(sock, server_hostname=endpoint.host, do_handshake_on_connect=False)

    def _of(self, endpoint: "Endpoint") -> dict[_Shared, ssl.SSLContext]:
        return self._contexts.setdefault(endpoint.ca or amazon_roots(), {})

    def drop_identity(self, tls: ssl.SSLSocket) -> None:
        """Have a socket whose handshake is done no longer hold its certificate and key, which nobody asks for again.

        A socket has its certificate from its context: with another context comes another one, here none. All else
        (the peer's verification, ciphers, options) was taken over when the socket was made.
        """
        tls.context = self._without_identity


def _shared(endpoint: "Endpoint", identity: "Identity") -> _Shared:
    return endpoint.port == _MQTT_ALPN_PORT, _algorithm(identity)


def _new_context(endpoint: "Endpoint") -> ssl.SSLContext:
    try:
        context = client_context((endpoint.ca or amazon_roots()).pem)
    except (ssl.SSLError, ValueError):
        raise TlsFailedError(
            f"the CA given for {endpoint.host} is not usable, one of its certificates is damaged: correct ca.crt or "
            "endpoint.caFile"
        ) from None
    # AWS issues none, and each connection belongs to one identity anyway.
    # Nor is a handshake done again on a connection: the identity is not kept for it.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if endpoint.port == _MQTT_ALPN_PORT:
        context.set_alpn_protocols([_MQTT_ALPN])
    return context


def _algorithm(identity: "Identity") -> x509.ObjectIdentifier:
    """Of the leaf's public key, by which OpenSSL keeps certificates apart."""
    if not identity.certificate_pem.startswith(_CERTIFICATE_FIRST):
        raise _unusable(identity)
    try:
        leaf = x509.load_pem_x509_certificate(identity.certificate_pem)
        algorithm = leaf.public_key_algorithm_oid
    except (ValueError, x509.InvalidVersion):
        raise _unusable(identity) from None
    if algorithm not in _ALGORITHMS:
        raise TlsFailedError(
            f"the key of certificate {identity.fingerprint} is of a kind that sessions do not use "
            f"({algorithm.dotted_string}): take a certificate for RSA of 2048 to 4096 bits, EC P-256, P-384 or P-521"
        )
    return algorithm


def _load_identity(context: ssl.SSLContext, identity: "Identity") -> None:
    try:
        load_identity(context, identity.certificate_pem, identity.private_key_pem)
    except (ssl.SSLError, ValueError):
        raise _unusable(identity) from None


def _unusable(identity: "Identity") -> TlsFailedError:
    return TlsFailedError(
        f"certificate {identity.fingerprint} and its private key cannot be used for TLS: they must be PEM, "
        "unencrypted, of the same kind (RSA-PSS is another one than RSA) and belong together"
    )
