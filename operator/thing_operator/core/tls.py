"""The TLS context of every client of ours: the same checks of a server under every version of Python."""

import ssl


def client_context(authorities: str | None = None) -> ssl.SSLContext:
    """A context that verifies the server and its name, with TLS 1.2 or later.

    ``authorities``: PEM certificates to trust, a root or an intermediate; None leaves the caller to load some.
    Python 3.13's ``create_default_context`` has VERIFY_X509_STRICT, with which the CAs that openssl, easy-rsa
    and keytool make by their defaults are refused; sessions, downloads and probes take them everywhere.
    Raises ssl.SSLError or ValueError when ``authorities`` is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
    return context
