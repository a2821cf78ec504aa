#!/bin/sh
# Python's ssl with OpenSSL 3: a certificate loaded anew into a context is not shown if its key changed from EC to RSA.
#
# A context keeps one certificate for each kind of key, not one. `SSLContext.load_cert_chain` called again, as servers do
# to reload without a restart, replaces the one of its own kind and leaves the other, which is no error and seen nowhere:
# Python lists CAs only. Of two, OpenSSL takes what fits the first of the peer's signature algorithms, and those begin with
# ECDSA. So a change from RSA to EC works at once, and the way back, with new keys that load without a complaint, shows
# the EC certificate until it has expired and longer. A new context for each certificate has none of it.
#
# Seen with Python 3.11.7, OpenSSL 3.0.19 and cryptography 50.0.2:
#     RSA, then RSA: the client sees the new one
#     EC, then EC: the client sees the new one
#     RSA, then EC: the client sees the new one
#     EC, then RSA: the client sees the old one
#
# Run it anywhere with Python: the library that makes the certificates is fetched into a folder that is removed again. It
# fails when OpenSSL behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "cryptography==50.0.2"
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NEW_KEY = {
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EC": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def issued(common_name: str, kind: str) -> str:
    """A file with a key of this kind and its certificate."""
    key, now = NEW_KEY[kind](), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    pathlib.Path("pair.pem").write_bytes(secret + builder.sign(key, hashes.SHA256()).public_bytes(pem))
    return "pair.pem"


def seen_of(server: ssl.SSLContext) -> str:
    """The common name in the certificate that a client is shown."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
    shown = x509.load_der_x509_certificate(ends[0].getpeercert(binary_form=True))
    return shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value


found = {}
for before, after in (("RSA", "RSA"), ("EC", "EC"), ("RSA", "EC"), ("EC", "RSA")):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued("old", before))
    context.load_cert_chain(issued("new", after))
    found[before, after] = seen_of(context)
    print(f"{before}, then {after}: the client sees the {found[before, after]} one")
assert list(found.values()) == ["new", "new", "new", "old"], "OpenSSL behaves otherwise"
PYTHON
