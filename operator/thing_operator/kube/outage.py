"""Why the API server could not be reached, in a person's words: what aiohttp prints holds the headers of a request."""

import ssl

import aiohttp

from thing_operator.core.error_words import in_words

NOT_THE_API_SERVER = "that is not the API server's, but of something in between, such as a balancer"

_HOSTNAME_MISMATCH = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


def is_of_tls(error: Exception) -> bool:
    """Whether a handshake failed: the CA or the client certificate may be older than what is to be read by now."""
    return isinstance(error, aiohttp.ClientSSLError) or isinstance(error.__cause__, ssl.SSLError)


def words_of(error: Exception) -> str:
    """What failed, and what to correct when it is a matter of the login."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_words(error.certificate_error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return (
            f"the proxy answered {error.status} {error.message}: correct proxy-url of the kubeconfig, "
            "HTTPS_PROXY or NO_PROXY"
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy at {error.host}:{error.port} cannot be reached ({in_words(error.os_error)})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port} ({in_words(error.os_error)})"
    return in_words(error)


def _certificate_words(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({in_words(error)})"
    if error.verify_code in _HOSTNAME_MISMATCH:
        return (
            f"its certificate is for other names ({error.verify_message}): correct server or tls-server-name "
            "of the kubeconfig"
        )
    return f"its certificate is not trusted ({error.verify_message}): correct certificate-authority of the kubeconfig"
