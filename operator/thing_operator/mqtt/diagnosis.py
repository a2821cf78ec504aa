"""What a network error means for a person: the reason of the condition and what to do. Pure."""

import errno
import socket
import ssl
from typing import Final

from thing_operator.core.descriptors import limit
from thing_operator.core.error_words import in_words
from thing_operator.mqtt.errors import (
    ConnectError,
    EndpointUnreachableError,
    MessageTooLargeError,
    NotAuthorizedError,
    SessionLostError,
    TlsFailedError,
)
from thing_operator.mqtt.model import Endpoint, SessionSpec

# X509_V_ERR_* of OpenSSL
_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21})
_NAME_MISMATCH: Final = frozenset({62, 64})
_OUT_OF_TIME: Final = frozenset({9, 10})

# The alerts by which a server refuses a client certificate, as OpenSSL names them
_CERTIFICATE_ALERTS: Final = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_DECRYPT_ERROR",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
)
_CONNACK_PROTOCOL: Final = 1
_CONNACK_UNAVAILABLE: Final = 3
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


def explain_dial_error(error: OSError, *, spec: SessionSpec) -> ConnectError:
    """Why DNS, TCP or TLS did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailedError(_explain_verification(error, host=spec.endpoint.host))
    if isinstance(error, ssl.SSLError):
        return explain_tls_error(error, spec=spec)
    return EndpointUnreachableError(_explain_unreachable(error, endpoint=spec.endpoint))


def explain_tls_error(error: ssl.SSLError, *, spec: SessionSpec) -> ConnectError:
    """Why a handshake failed, or what the server said right after it (TLS 1.3)."""
    where = spec.endpoint.address
    reason = error.reason or in_words(error)
    if reason in _CERTIFICATE_ALERTS:
        return NotAuthorizedError(
            f"{where} refuses the certificate {spec.identity.fingerprint} ({reason}): it must be known and "
            "active there, and not revoked or expired"
        )
    if reason in _NO_TLS:
        return TlsFailedError(f"{where} does not speak TLS: check the port (8883 or 443)")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsFailedError(
            f"{where} ended the TLS handshake without a reason: check that it is the MQTT endpoint, and that "
            f"the certificate {spec.identity.fingerprint} is known and active there"
        )
    return TlsFailedError(f"TLS with {where} failed ({reason}): it must offer TLS 1.2 or later")


def explain_no_tls(*, spec: SessionSpec) -> EndpointUnreachableError:
    """The connection ended after our first word of TLS, without one of the other side's."""
    where = spec.endpoint.address
    return EndpointUnreachableError(
        f"{where} ends the connection instead of answering in TLS: check that the port is the one with TLS (8883 or "
        "443, not 1883), that the broker runs, and that no firewall cuts TLS"
    )


def explain_private(*, spec: SessionSpec) -> EndpointUnreachableError:
    """The name leads to where only the operator's configuration may send sessions."""
    return EndpointUnreachableError(
        f"{spec.endpoint.host} leads to an address that is not public: if that is meant, have the host itself put into "
        "endpoint.allowedHosts in the operator's configuration"
    )


def explain_silence(*, spec: SessionSpec) -> EndpointUnreachableError:
    """CONNECT was sent, CONNACK did not come."""
    return EndpointUnreachableError(
        f"{spec.endpoint.address} did not answer CONNECT in time: is it an MQTT broker?"
    )


def explain_refusal(*, spec: SessionSpec, code: int | None) -> ConnectError:
    """CONNECT was answered by a CONNACK other than 0, or by closing the connection (``code`` None)."""
    if code == _CONNACK_PROTOCOL:
        return EndpointUnreachableError(
            f"{spec.endpoint.address} does not take MQTT 3.1.1 (return code 1 of CONNECT): check "
            "that it is the broker of the thing, and that it is not for MQTT 5 alone"
        )
    if code == _CONNACK_UNAVAILABLE:
        return EndpointUnreachableError(f"the broker at {spec.endpoint.host} says that it is not available")
    how = "closed the connection at CONNECT" if code is None else f"refused CONNECT (return code {code})"
    return NotAuthorizedError(
        f"{spec.endpoint.host} {how}: the certificate {spec.identity.fingerprint} must be active there, and "
        f"its policy must allow iot:Connect for client id {spec.thing_name}"
    )


def explain_end(error: OSError | None, *, spec: SessionSpec) -> ConnectError:
    """An established connection ended; ``error`` is None when the other side just closed it."""
    if isinstance(error, ssl.SSLError) and error.reason in _CERTIFICATE_ALERTS:
        return explain_tls_error(error, spec=spec)
    return SessionLostError(f"the connection to {spec.endpoint.host} was lost; it is made again")


def _explain_unreachable(error: OSError, *, endpoint: Endpoint) -> str:
    where = endpoint.address
    match error:
        case socket.gaierror():
            return f"the name {endpoint.host} cannot be resolved: check endpoint.host and the cluster's DNS"
        case TimeoutError():
            return f"{where} did not answer in time: check host and port, firewalls and NetworkPolicy"
        case ConnectionRefusedError():
            return f"{where} refuses connections: check the port, and that the broker runs"
        case ConnectionResetError() | BrokenPipeError():
            return f"{where} closed the connection while it was being set up"
    name = errno.errorcode.get(error.errno or 0, in_words(error))
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return (
            f"the operator has no descriptor left for this session ({name}, limit {limit()}): raise the limit of open "
            "files of its process, or have several operators with a part of the namespaces each"
        )
    return f"{where} cannot be reached ({name}): check host, port and network"


def _explain_verification(error: ssl.SSLCertVerificationError, *, host: str) -> str:
    code = error.verify_code
    if code in _UNTRUSTED:
        return (
            f"the certificate of {host} is not signed by a CA we trust: name its CA in endpoint.caSecretName "
            "or endpoint.caConfigMapName, or in the operator's endpoint.caFile; for AWS use the -ats endpoint"
        )
    if code in _NAME_MISMATCH:
        return f"the certificate of the server at {host} is for another name: check endpoint.host"
    if code in _OUT_OF_TIME:
        return (
            f"the certificate of {host} is expired or not yet valid: check the server and this node's clock"
        )
    return f"the certificate of {host} cannot be verified: {error.verify_message}"


def explain_too_large(*, spec: SessionSpec, what: str, limit: int) -> MessageTooLargeError:
    """More came than is taken; ``what`` it was, ``limit`` in bytes."""
    return MessageTooLargeError(
        f"{spec.endpoint.host} sends {what} of more than {limit} bytes, which AWS IoT Core does not: check the "
        "endpoint, or for a broker of your own raise session.messageLimit in the operator's configuration"
    )
