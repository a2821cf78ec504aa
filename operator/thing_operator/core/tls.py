"""The TLS context of every client of ours: the same checks of a server under every version of Python."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


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


def load_identity(context: ssl.SSLContext, certificate_pem: bytes, private_key_pem: bytes) -> None:
    """Have a context show this certificate, with its private key; no key stays on a disk.

    Raises ssl.SSLError or ValueError when they are no PEM, belong not together, or the key is encrypted.
    """
    with _readable_by_openssl(certificate_pem + b"\n" + private_key_pem) as path:
        context.load_cert_chain(path, password=_refuse_password)


def _refuse_password() -> NoReturn:
    # Without it OpenSSL asks for the password on the terminal.
    raise ValueError("the private key is encrypted")


@contextmanager
def _readable_by_openssl(secret: bytes) -> Iterator[str]:
    """A path that holds ``secret`` while the block runs: the ssl module reads certificates by path only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            yield path
    finally:
        if not path.startswith("/proc/"):
            os.unlink(path)  # noqa: PTH108 - a plain path, as mkstemp gave it
