"""A certificate and its private key: what is accepted, what is refused and with which reason."""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat
from tests.support.pki import (
    NOT_AFTER,
    NOT_BEFORE,
    NOW,
    SECOND,
    AnyKey,
    Authority,
    Pair,
    ec_pair,
    encrypted,
    key_pem,
    make_certificate,
    pair_for,
    pkcs1_pem,
    rsa_key,
)

from thing_operator.credentials import Credentials, CredentialsError, check_pair
from thing_operator.credentials.pem import PemBlock, pem_blocks


def check(certificate: bytes, private_key: bytes) -> Credentials:
    return check_pair(certificate, private_key, now=NOW)


def refusal(certificate: bytes, private_key: bytes) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        check(certificate, private_key)
    error = caught.value
    secrets = [line for line in private_key.splitlines() if len(line) > 30 and b"-----" not in line]
    assert not any(line.decode("latin-1") in f"{error!r}{error}" for line in secrets)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    return error


@pytest.fixture
def pair() -> Pair:
    return ec_pair()


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.parametrize(
    ("make", "key_type"),
    [
        (rsa_key, "RSA 2048"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "EC P-256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "EC P-384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "EC P-521"),
    ],
)
def test_usable_pairs_load_into_a_tls_client(
    make: Callable[[], AnyKey], key_type: str, form: PrivateFormat, tmp_path: Path
) -> None:
    key = make()
    found = check(make_certificate(key), key_pem(key, form=form))
    assert found.key_type == key_type
    assert (found.not_before, found.not_after) == (NOT_BEFORE, NOT_AFTER)
    both = tmp_path / "both.pem"
    both.write_bytes(found.certificate_pem + found.private_key_pem)
    ssl.create_default_context().load_cert_chain(both)


def test_an_rsa_pss_key_is_called_so() -> None:
    made = Authority.new().identity_for(rsa_key(), pss=True)
    found = check_pair(made.certificate_pem, made.private_key_pem, now=datetime.now(UTC))
    assert found.key_type == "RSA-PSS 2048"


def test_the_fingerprint_is_that_of_the_der(pair: Pair) -> None:
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    assert check(pair.certificate, pair.private_key).fingerprint == hashlib.sha256(der).hexdigest()


NORMAL_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda pem: pem,
    "CRLF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "CR": lambda pem: pem.replace(b"\n", b"\r"),
    "text around": lambda pem: b"Bag Attributes\n  key id: 01\n" + pem + b"that is all\n",
    "byte order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "UTF-16 of Windows": lambda pem: pem.replace(b"\n", b"\r\n").decode().encode("utf-16"),
    "junk behind": lambda pem: pem + b"\x00\xff-----BEGIN",
    "indented": lambda pem: pem.replace(b"\n", b"\n    "),
    "one line": lambda pem: pem.replace(b"\n", b" "),
    "escaped line breaks": lambda pem: pem.replace(b"\n", b"\\n"),
    "no last line break": lambda pem: pem.rstrip(),
    "begun twice": lambda pem: pem[: len(pem) // 2] + b"\n" + pem,
}


@pytest.mark.parametrize("form", NORMAL_FORMS)
def test_pem_is_normalised(form: str, pair: Pair) -> None:
    change = NORMAL_FORMS[form]
    found = check(change(pair.certificate), change(pair.private_key))
    assert (found.certificate_pem, found.private_key_pem) == (pair.certificate, pair.private_key)


def test_one_file_with_everything_serves_as_both(pair: Pair) -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    both = parameters + pair.private_key + pair.public_key + pair.certificate
    found = check(both, both)
    assert (found.certificate_pem, found.private_key_pem) == (pair.certificate, pair.private_key)


def test_the_chain_behind_the_leaf_is_kept(pair: Pair) -> None:
    issuer = ec_pair().certificate
    found = check(pair.certificate + b"and its issuer\n" + issuer, pair.private_key)
    assert found.certificate_pem == pair.certificate + issuer
    assert found.fingerprint == check(pair.certificate, pair.private_key).fingerprint


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOT_BEFORE - SECOND, "NotYetValid"),
        (NOT_BEFORE, None),
        (NOT_AFTER, None),
        (NOT_AFTER + timedelta(microseconds=1), "Expired"),
    ],
)
def test_both_ends_of_the_validity_time_belong_to_it(
    moment: datetime, reason: str | None, pair: Pair
) -> None:
    if reason is None:
        check_pair(pair.certificate, pair.private_key, now=moment)
    else:
        with pytest.raises(CredentialsError) as caught:
            check_pair(pair.certificate, pair.private_key, now=moment)
        assert caught.value.reason == reason


def test_the_key_of_another_thing(pair: Pair) -> None:
    assert refusal(pair.certificate, ec_pair().private_key).reason == "KeyMismatch"
    assert refusal(pair.certificate, key_pem(rsa_key())).reason == "KeyMismatch"


LIES: dict[str, Callable[[rsa.RSAPrivateNumbers], dict[str, int]]] = {
    "all private numbers": lambda key: {"d": key.d + 2, "dmp1": key.dmp1 + 2, "dmq1": key.dmq1 + 2},
    "the short exponents, which OpenSSL can do without": lambda key: {"dmp1": key.dmp1 + 2},
    "the coefficient": lambda key: {"iqmp": key.iqmp + 1},
    "a long exponent": lambda key: {"d": key.d + (key.p - 1) * (key.q - 1) * (1 << 9000)},
    "the primes": lambda key: {"p": 1, "q": key.p * key.q},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_private_key_that_only_claims_to_match(lie: str) -> None:
    """Right public half, wrong private numbers: seen by their contradiction, or by signing."""
    key = rsa_key().private_numbers()
    public = key.public_numbers
    honest = {name: getattr(key, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}
    check(make_certificate(rsa_key()), pkcs1_pem([public.n, public.e, *honest.values()]))
    claimed = honest | LIES[lie](key)
    error = refusal(make_certificate(rsa_key()), pkcs1_pem([public.n, public.e, *claimed.values()]))
    assert error.reason == "KeyMismatch"
    assert "damaged" in error.message


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name
)
def test_an_ec_private_key_that_only_claims_to_match(form: PrivateFormat, curve: ec.EllipticCurve) -> None:
    """That the library looks for it is what we rely on."""

    def point(key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    key, other = ec.generate_private_key(curve), ec.generate_private_key(curve)
    honest = key_pem(key, form=form)
    check(make_certificate(key), honest)
    (block,) = pem_blocks(honest)
    assert block.der is not None
    lie = replace(block, der=block.der.replace(point(key), point(other)))
    error = refusal(make_certificate(other), lie.to_pem())
    assert "damaged" in error.message


def test_a_public_exponent_that_takes_too_long_to_verify_with(pair: Pair) -> None:
    key = rsa.RSAPublicNumbers(e=(1 << 1023) + 1, n=rsa_key().public_key().public_numbers().n).public_key()
    error = refusal(make_certificate(key), pair.private_key)
    assert error.reason == "WeakKey"
    assert "public exponent of 1024 bits, which is not accepted by the operator" in error.message


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rsa_key(1024), "RSA of 1024 bits, which is not accepted by AWS IoT"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
        (ed25519.Ed25519PrivateKey.generate, "another kind"),
    ],
)
def test_keys_that_are_not_accepted(make: Callable[[], AnyKey], words: str) -> None:
    key = make()
    pem = key_pem(key, form=PrivateFormat.PKCS8)
    for certificate in (make_certificate(key), ec_pair().certificate):
        error = refusal(certificate, pem)
        assert error.reason == "WeakKey"
        assert words in error.message


@pytest.mark.parametrize(("bits", "reason"), [(4096, "KeyMismatch"), (4104, "WeakKey")])
def test_keys_that_take_too_long_to_sign_with(bits: int, reason: str, pair: Pair) -> None:
    public_key = rsa.RSAPublicNumbers(e=65537, n=(1 << bits) - 1).public_key()
    assert refusal(make_certificate(public_key), pair.private_key).reason == reason


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_encrypted_keys(form: PrivateFormat) -> None:
    pem = key_pem(rsa_key(), form=form, encryption=encrypted())
    assert refusal(make_certificate(rsa_key()), pem).reason == "EncryptedKey"


def broken(pem: bytes) -> bytes:
    lines = pem.splitlines(keepends=True)
    return b"".join([*lines[:2], *lines[3:]])


def test_damaged_files(pair: Pair) -> None:
    rsa_pair = pair_for(rsa_key())
    for changed in (
        broken(rsa_pair.certificate),
        rsa_pair.certificate.replace(b"M", b"!", 1),
        b"",
        b"\xff",
        b"\xff\xfex",
    ):
        assert refusal(changed, rsa_pair.private_key).reason == "InvalidPem"
    for changed in (broken(rsa_pair.private_key), rsa_pair.private_key[:-20], b"", b"\xff"):
        assert refusal(rsa_pair.certificate, changed).reason == "InvalidPem"
    mislabelled = pair.private_key.replace(b"EC PRIVATE", b"RSA PRIVATE")
    assert refusal(pair.certificate, mislabelled).reason == "InvalidPem"
    chain = pair.certificate + broken(rsa_pair.certificate)
    assert "certificate 2" in refusal(chain, pair.private_key).message


def test_a_certificate_of_another_version(pair: Pair) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(pair.certificate.decode()))
    der[der.index(bytes.fromhex("a003020102")) + 4] = 1
    assert refusal(ssl.DER_cert_to_PEM_cert(bytes(der)).encode(), pair.private_key).reason == "InvalidPem"


@pytest.mark.parametrize(
    ("certificate", "private_key", "words"),
    [
        ("private_key", "certificate", "there is a private key in its place"),
        ("certificate", "certificate", "there is a certificate in its place"),
        ("certificate", "public_key", "there is a public key in its place"),
    ],
)
def test_files_in_the_place_of_others(certificate: str, private_key: str, words: str, pair: Pair) -> None:
    error = refusal(getattr(pair, certificate), getattr(pair, private_key))
    assert error.reason == "InvalidPem"
    assert words in error.message


def test_der_is_distinguished_from_rubbish(pair: Pair) -> None:
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    assert "DER" in refusal(der, pair.private_key).message
    assert "DER" not in refusal(b"rubbish", pair.private_key).message


def test_a_key_of_ssh_is_named(pair: Pair) -> None:
    key = PemBlock("OPENSSH PRIVATE KEY", b"openssh-key-v1").to_pem()
    assert "a key of SSH" in refusal(pair.certificate, key).message


def test_no_key_in_the_repr(pair: Pair) -> None:
    found = check(pair.certificate, pair.private_key)
    assert "PRIVATE" not in repr(found)
    assert "CERTIFICATE" not in repr(found)
    assert pair.private_key.splitlines()[1].decode() not in repr(found)


@pytest.mark.parametrize(("times", "more"), [(11, b""), (1000, b""), (1, b"#" * 32 * 1024)])
def test_a_file_with_more_than_a_chain_is_refused_before_it_is_parsed(times: int, more: bytes) -> None:
    pair = ec_pair()
    assert check(pair.certificate * 10, pair.private_key).certificate_pem.count(b"BEGIN") == 10
    file = pair.certificate * times + more
    found = refusal(file, pair.private_key)
    assert found.reason == "ChainTooLong"
    assert f"has {len(file)} bytes: at most 32768 with 10 certificates" in found.message
