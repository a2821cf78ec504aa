"""Which servers a client of ours trusts, with CAs as common tools make them."""

import os
import ssl
import tempfile
from pathlib import Path

import pytest
from tests.support.pki import Authority, ec_pair, encrypted, key_pem, make_certificate, rsa_key

from thing_operator.core.tls import client_context, load_identity

ROOT = Authority.new("root")
INTERMEDIATE = ROOT.intermediate()


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    """Shows a certificate for localhost that the intermediate signed, and the intermediate behind it."""
    file = tmp_path / "server.pem"
    file.write_bytes(INTERMEDIATE.server() + INTERMEDIATE.pem.encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, *, host: str = "localhost") -> str | None:
    """A whole handshake in memory: the version of TLS; raises what the client objects to."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ours.version()


@pytest.mark.parametrize("trusted", [ROOT.pem, INTERMEDIATE.pem, ROOT.pem + INTERMEDIATE.pem])
def test_a_root_without_key_identifiers_or_an_intermediate_alone_is_enough(
    trusted: str, server: ssl.SSLContext
) -> None:
    assert handshake(client_context(trusted), server) == "TLSv1.3"


def test_the_flag_that_python_3_13_sets_would_refuse_them(server: ssl.SSLContext) -> None:
    strict = client_context(ROOT.pem)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(strict, server)


def test_nobody_else_is_trusted(server: ssl.SSLContext) -> None:
    for trusted in (None, Authority.new("root").pem, ROOT.intermediate().pem):
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            handshake(client_context(trusted), server)


def test_the_name_is_verified(server: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
        handshake(client_context(ROOT.pem), server, host="elsewhere")


def test_tls_1_1_is_too_old() -> None:
    assert client_context().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("text", ["", "no PEM", ROOT.pem.replace("\nM", "\nA", 1)])
def test_what_is_no_certificate(text: str) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        client_context(text)


@pytest.mark.parametrize("in_memory", [True, False])
def test_no_key_stays_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    pair, other = ec_pair(), ec_pair()
    load_identity(client_context(), pair.certificate, pair.private_key)
    with pytest.raises(ssl.SSLError):
        load_identity(client_context(), pair.certificate, other.private_key)
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_key_is_refused_and_no_terminal_is_asked() -> None:
    private_key = key_pem(rsa_key(), encryption=encrypted())
    with pytest.raises(ValueError, match="encrypted"):
        load_identity(client_context(), make_certificate(rsa_key()), private_key)
