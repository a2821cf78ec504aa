"""Keys and certificates in forms that other tools write and the library does not: DER, put together by hand."""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.pki import der, rsa_key

from thing_operator.credentials.pem import PemBlock

_EC_PUBLIC_KEY: Final = bytes.fromhex("06072a8648ce3d0201")
_PRIME_FIELD: Final = bytes.fromhex("06072a8648ce3d0101")
_RSA: Final = bytes.fromhex("300d06092a864886f70d0101010500")
_NAMES: Final = {
    "secp256r1": bytes.fromhex("06082a8648ce3d030107"),
    "secp384r1": bytes.fromhex("06052b81040022"),
    "secp521r1": bytes.fromhex("06052b81040023"),
}
_SIGNATURES: Final = {
    "SHA1": bytes.fromhex("300906072a8648ce3d0401"),
    "SHA224": bytes.fromhex("300a06082a8648ce3d040301"),
    "unknown": bytes.fromhex("300a06082a8648ce3d04037f"),
    "SHA256": bytes.fromhex("300a06082a8648ce3d040302"),
}
_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_A: Final = _P - 3
_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def as_sec1(key: ec.EllipticCurvePrivateKey, *, value: bytes, curve: bytes | None = None) -> bytes:
    """SEC1 with a private value as it is given; ``curve``: DER that stands for the curve's name, empty for none."""
    named = curve if curve is not None else _NAMES[key.curve.name]
    return PemBlock("EC PRIVATE KEY", _sec1(key, value, der(0xA0, named) if named else b"")).to_pem()


def as_pkcs8(key: ec.EllipticCurvePrivateKey, *, value: bytes, curve: bytes | None = None) -> bytes:
    """PKCS#8, the curve named in the algorithm alone, as GnuTLS writes it."""
    algorithm = der(0x30, _EC_PUBLIC_KEY + (curve if curve is not None else _NAMES[key.curve.name]))
    inner = der(0x04, _sec1(key, value, b""))
    return PemBlock("PRIVATE KEY", der(0x30, _integer(0) + algorithm + inner)).to_pem()


def value_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private value as a signed number, the way GnuTLS writes it: a zero in front where the first bit is set."""
    value = key.private_numbers().private_value
    return value.to_bytes(value.bit_length() // 8 + 1)


def described_p256(*, b: int = _B) -> bytes:
    """Explicit parameters of P-256, or with another ``b`` of a curve that nobody knows."""
    generator = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    field = der(0x30, _PRIME_FIELD + _integer(_P))
    curve = der(0x30, der(0x04, _A.to_bytes(32)) + der(0x04, b.to_bytes(32)))
    return der(
        0x30, _integer(1) + field + curve + der(0x04, _point(generator)) + _integer(_ORDER) + _integer(1)
    )


def with_described_curve(certificate_pem: bytes) -> bytes:
    """PEM of the same certificate for a P-256 key, the curve described instead of named; the signature is not true."""
    public_key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    named = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    described = der(
        0x30, der(0x30, _EC_PUBLIC_KEY + described_p256()) + der(0x03, b"\0" + _point(public_key))
    )
    return _rewritten(certificate_pem, named, described)


def signed_with(algorithm: str, certificate_pem: bytes) -> bytes:
    """PEM of the same certificate that says it is signed by ECDSA with another digest; the signature is not true."""
    return _rewritten(certificate_pem, _SIGNATURES["SHA256"], _SIGNATURES[algorithm])


def _rewritten(certificate_pem: bytes, old: bytes, new: bytes) -> bytes:
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    tbs = certificate.tbs_certificate_bytes
    assert old in tbs
    content = tbs[2 + (tbs[1] & 0x7F if tbs[1] & 0x80 else 0) :]
    algorithm = new if old == _SIGNATURES["SHA256"] else _SIGNATURES["SHA256"]
    signed = der(0x30, content.replace(old, new)) + algorithm + der(0x03, b"\0" + certificate.signature)
    return PemBlock("CERTIFICATE", der(0x30, signed)).to_pem()


def with_three_primes(label: str) -> bytes:
    """An RSA key of version 1, with one more prime; its numbers are not looked at."""
    key = rsa_key().private_numbers()
    public = key.public_numbers
    numbers = (1, public.n, public.e, key.d, key.p, key.q, key.dmp1, key.dmq1, key.iqmp)
    others = der(0x30, der(0x30, _integers((7, 3, 5))))
    pkcs1 = der(0x30, _integers(numbers) + others)
    if label == "PRIVATE KEY":
        return PemBlock(label, der(0x30, _integer(0) + _RSA + der(0x04, pkcs1))).to_pem()
    return PemBlock(label, pkcs1).to_pem()


def _sec1(key: ec.EllipticCurvePrivateKey, value: bytes, parameters: bytes) -> bytes:
    public = der(0xA1, der(0x03, b"\0" + _point(key.public_key())))
    return der(0x30, _integer(1) + der(0x04, value) + parameters + public)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _integers(numbers: Sequence[int]) -> bytes:
    return b"".join(_integer(number) for number in numbers)


def _integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1))
