"""CA files as people have them: what is taken out of them, and what is named."""

import ssl
from collections.abc import Callable

import pytest
from tests.support.pki import Authority, ec_key, ec_pair, key_pem

from thing_operator.core.tls import client_context
from thing_operator.credentials import CredentialsError, read_authorities

ONE, OTHER = Authority.new("one").pem, Authority.new("other").pem
PEM = ONE.encode()

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda pem: pem,
    "CRLF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "UTF-8 with a byte order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "UTF-16 of Windows": lambda pem: pem.replace(b"\n", b"\r\n").decode().encode("utf-16"),
    "a comment in UTF-8": lambda pem: "# Zertifikat für Å\n".encode() + pem,
    "a comment in Latin-1": lambda pem: "# Zertifikat für Å\n".encode("latin-1") + pem,
    "a comment in UTF-8 behind": lambda pem: pem + "# für Å".encode(),
    "what openssl x509 -text writes": lambda pem: (
        b"Certificate:\n    Data:\n        Version: 3 (0x2)\n" + pem
    ),
    "the old label": lambda pem: pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
    "a key before it": lambda pem: key_pem(ec_key()) + pem,
    "a certificate in another form before it": lambda pem: pem.replace(b" CERT", b" TRUSTED CERT") + pem,
    "twice": lambda pem: pem + pem,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_ca_is_found_in_what_is_around_it(form: str) -> None:
    assert loaded(read_authorities(FORMS[form](PEM))) == loaded(ONE)


def test_all_of_them_are_taken() -> None:
    assert read_authorities(PEM + b"and\n" + OTHER.encode()) == ONE + OTHER


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "no complete block from BEGIN to END; it takes the CA's certificates in PEM form"),
        (PEM[:-20], "no complete block"),
        (ssl.PEM_cert_to_DER_cert(ONE), "it seems to be DER"),
        (ec_pair().private_key, "there is a private key in its place"),
        (PEM.replace(b" CERT", b" TRUSTED CERT"), "make it a plain one with openssl x509"),
        (PEM.replace(b" CERTIFICATE", b" PKCS7"), "openssl pkcs7 -print_certs"),
        (OTHER.encode() + PEM.replace(b"\nM", b"\n!", 1), "certificate 2 in it is damaged"),
    ],
)
def test_what_is_no_ca_is_named(file: bytes, words: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        read_authorities(file)
    assert words in caught.value.message
    assert "MIC" not in caught.value.message


def loaded(pem: str) -> list[bytes]:
    """What a TLS client trusts then."""
    return client_context(pem).get_ca_certs(binary_form=True)
