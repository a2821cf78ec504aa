"""Certificates and keys as other tools write them: what is read all the same, and what is named."""

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.pki import (
    NOW,
    Authority,
    Pair,
    ec_key,
    ec_pair,
    key_pem,
    make_certificate,
    rsa_key,
)
from tests.unit.credentials.key_forms import (
    as_pkcs8,
    as_sec1,
    described_p256,
    signed_with,
    value_of,
    with_described_curve,
    with_three_primes,
)
from tests.unit.credentials.zips import build, members_of

from thing_operator.credentials import CredentialsError, check_pair, read_batch
from thing_operator.credentials.pem import pem_blocks
from thing_operator.credentials.private_keys import parse_private_key
from thing_operator.credentials.splitting import split_batch

CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]


def refusal(certificate: bytes, private_key: bytes) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        check_pair(certificate, private_key, now=NOW)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def loads_into_openssl(certificate: bytes, private_key: bytes, folder: Path) -> None:
    both = folder / "both.pem"
    both.write_bytes(certificate + private_key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(both)


def relabelled(pem: bytes, label: str) -> bytes:
    (block,) = pem_blocks(pem)
    return pem.replace(block.label.encode(), label.encode())


def a_key(curve: ec.EllipticCurve, *, like: Callable[[bytes], bool]) -> ec.EllipticCurvePrivateKey:
    """One whose private value, written as GnuTLS does, is as asked for."""
    while True:
        key = ec.generate_private_key(curve)
        if like(value_of(key)):
            return key


class TestEcPrivateValues:
    """GnuTLS writes the private value as a signed number, of any length."""

    @pytest.mark.parametrize("write", [as_sec1, as_pkcs8])
    @pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
    @pytest.mark.parametrize("how", ["longer", "shorter"])
    def test_of_another_length(
        self, write: Callable[..., bytes], curve: ec.EllipticCurve, how: str, tmp_path: Path
    ) -> None:
        key = ec.derive_private_key(2**200 + 1, curve)
        size = (curve.key_size + 7) // 8
        value = key.private_numbers().private_value.to_bytes(size + 1 if how == "longer" else 26)
        certificate = make_certificate(key)
        found = check_pair(certificate, write(key, value=value), now=NOW)
        usual = check_pair(certificate, write(key, value=value[-size:].rjust(size, b"\0")), now=NOW)
        assert found.fingerprint == usual.fingerprint
        loads_into_openssl(found.certificate_pem, found.private_key_pem, tmp_path)
        again = check_pair(found.certificate_pem, found.private_key_pem, now=NOW)
        assert again.private_key_pem == found.private_key_pem

    def test_of_another_key(self) -> None:
        key = a_key(ec.SECP256R1(), like=lambda value: len(value) == 33)
        assert refusal(make_certificate(ec_key()), as_sec1(key, value=value_of(key))).reason == "KeyMismatch"

    @pytest.mark.parametrize("value", [b"", b"\0" * 33, b"\xff" * 33, b"\1" + b"\0" * 70_000])
    def test_that_are_none(self, value: bytes) -> None:
        key = ec_key()
        for write in (as_sec1, as_pkcs8):
            assert "damaged" in refusal(make_certificate(key), write(key, value=value)).message

    def test_without_a_curve_or_with_an_unknown_one(self) -> None:
        key = ec_key()
        for curve in (b"", bytes.fromhex("06032a0304")):
            found = refusal(make_certificate(key), as_sec1(key, value=b"\1" * 31, curve=curve))
            assert "damaged" in found.message

    def test_in_a_batch(self) -> None:
        key = a_key(ec.SECP256R1(), like=lambda value: len(value) == 33)
        pair = Pair(make_certificate(key), as_sec1(key, value=value_of(key)))
        whole = check_pair(pair.certificate, pair.private_key, now=NOW)
        (part,) = split_batch(read_batch(build(members_of({"00000041": pair})), now=NOW))
        assert [entry.credentials for entry in read_batch(part, now=NOW)] == [whole]

    @pytest.mark.skipif(shutil.which("certtool") is None, reason="needs certtool: apt-get install gnutls-bin")
    @pytest.mark.parametrize("form", [(), ("--pkcs8", "--password=")], ids=["sec1", "pkcs8"])
    def test_as_certtool_writes_them(self, form: tuple[str, ...]) -> None:
        """A dozen, so that both lengths are among them."""
        for _ in range(12):
            made = subprocess.run(
                ["certtool", "--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1", *form],
                check=True,
                capture_output=True,
            )
            certificate = make_certificate(parse_private_key(made.stdout).handle)
            assert check_pair(certificate, made.stdout, now=NOW).key_type == "EC P-256"


@pytest.mark.parametrize("label", ["RSA PRIVATE KEY", "PRIVATE KEY"])
def test_rsa_with_more_than_two_primes(label: str) -> None:
    found = refusal(make_certificate(rsa_key()), with_three_primes(label))
    assert found.reason == "WeakKey"
    assert "RSA with more than two primes, which is not accepted by the operator" in found.message


class TestExplicitParameters:
    """A curve that is described instead of named."""

    @pytest.mark.parametrize("write", [as_sec1, as_pkcs8])
    def test_of_a_private_key_on_an_unknown_curve(self, write: Callable[..., bytes]) -> None:
        key = ec_key()
        pem = write(key, value=b"\1" * 32, curve=described_p256(b=5))
        found = refusal(make_certificate(key), pem)
        assert found.reason == "WeakKey"
        assert "make the pair with a named curve" in found.message

    @pytest.mark.parametrize("write", [as_sec1, as_pkcs8])
    def test_of_a_private_key_that_is_on_a_known_curve(
        self, write: Callable[..., bytes], tmp_path: Path
    ) -> None:
        key = ec_key()
        value = key.private_numbers().private_value.to_bytes(32)
        certificate = make_certificate(key)
        found = check_pair(certificate, write(key, value=value, curve=described_p256()), now=NOW)
        loads_into_openssl(found.certificate_pem, found.private_key_pem, tmp_path)

    def test_of_a_certificate(self) -> None:
        pair = ec_pair()
        found = refusal(with_described_curve(pair.certificate), pair.private_key)
        assert found.reason == "WeakKey"
        assert "make the pair with a named curve" in found.message


class TestSignatures:
    """AWS IoT takes SHA-256 and better."""

    @pytest.mark.parametrize("digest", ["SHA1", "SHA224"])
    def test_with_a_short_digest(self, digest: str) -> None:
        pair = ec_pair()
        found = refusal(signed_with(digest, pair.certificate), pair.private_key)
        assert found.reason == "WeakKey"
        assert f"the certificate is signed with {digest}" in found.message
        assert "not accepted by AWS IoT" in found.message

    def test_of_an_intermediate(self) -> None:
        pair = ec_pair()
        found = refusal(pair.certificate + signed_with("SHA1", ec_pair().certificate), pair.private_key)
        assert found.reason == "WeakKey"
        assert "a certificate of the chain is signed with SHA1" in found.message

    def test_of_a_root_counts_for_nothing(self, tmp_path: Path) -> None:
        pair, root = ec_pair(), signed_with("SHA1", Authority.new().pem.encode())
        found = check_pair(root + pair.certificate, pair.private_key, now=NOW)
        assert found.certificate_pem == pair.certificate + root
        loads_into_openssl(found.certificate_pem, found.private_key_pem, tmp_path)

    def test_in_a_way_that_nobody_here_knows(self) -> None:
        """Left to the broker."""
        pair = ec_pair()
        found = check_pair(signed_with("unknown", pair.certificate), pair.private_key, now=NOW)
        assert found.key_type == "EC P-256"

    def test_without_a_digest_of_its_own(self) -> None:
        issuer, key = ed25519.Ed25519PrivateKey.generate(), ec_key()
        template = x509.load_pem_x509_certificate(make_certificate(key))
        builder = x509.CertificateBuilder(
            template.issuer,
            template.subject,
            key.public_key(),
            template.serial_number,
            template.not_valid_before_utc,
            template.not_valid_after_utc,
        )
        pem = builder.sign(issuer, None).public_bytes(Encoding.PEM)
        assert check_pair(pem, key_pem(key), now=NOW).key_type == "EC P-256"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("PKCS7", "openssl pkcs7 -print_certs"),
        ("CMS", "openssl pkcs7 -print_certs"),
        ("TRUSTED CERTIFICATE", "make it a plain one with openssl x509"),
        ("CERTIFICATE REQUEST", "use what the CA answered"),
    ],
)
class TestOtherForms:
    """Labels of certificates that are not read as they are."""

    def test_alone(self, label: str, words: str) -> None:
        pair = ec_pair()
        found = refusal(relabelled(pair.certificate, label), pair.private_key)
        assert found.reason == "InvalidPem"
        assert words in found.message

    def test_beside_a_certificate_of_another_key(self, label: str, words: str) -> None:
        pair, ca = ec_pair(), ec_pair().certificate
        found = refusal(relabelled(pair.certificate, label) + ca, pair.private_key)
        assert found.reason == "InvalidPem"
        assert "the private key belongs to no certificate in the file" in found.message
        assert words in found.message

    def test_beside_the_certificate(self, label: str, words: str) -> None:
        pair = ec_pair()
        found = check_pair(relabelled(pair.certificate, label) + pair.certificate, pair.private_key, now=NOW)
        assert found.certificate_pem == pair.certificate


class TestLeaf:
    """The certificate is the one for the private key, wherever it is in the file."""

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_is_found(self, place: int) -> None:
        pair = ec_pair()
        others = [ec_pair().certificate, make_certificate(ed25519.Ed25519PrivateKey.generate())]
        file = others.copy()
        file.insert(place, pair.certificate)
        found = check_pair(b"".join(file), pair.private_key, now=NOW)
        assert found.certificate_pem == pair.certificate + b"".join(others)
        assert found.fingerprint == check_pair(pair.certificate, pair.private_key, now=NOW).fingerprint

    def test_is_found_in_a_batch(self) -> None:
        pair, ca = ec_pair(), ec_pair().certificate
        whole = check_pair(pair.certificate + ca, pair.private_key, now=NOW)
        (entry,) = read_batch(
            build(members_of({"00000041": Pair(ca + pair.certificate, pair.private_key)})), now=NOW
        )
        assert entry.credentials == whole

    def test_is_the_first_where_none_fits(self) -> None:
        found = refusal(ec_pair().certificate + ec_pair().certificate, ec_pair().private_key)
        assert found.reason == "KeyMismatch"
