"""Certificates of everything that runs here: authorities, and what they issue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from thing_operator_local.files import write_secret

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_CLOCK_SKEW: Final = timedelta(minutes=5)


class KeyType(StrEnum):
    """Kind and size of a private key."""

    RSA = "rsa"
    """2048 bits; what MIC gives."""
    EC = "ec"
    """P-256: a hundred times quicker to make."""


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """A certificate with its keys, PEM, and its SHA-256 fingerprint (AWS's certificate id)."""

    certificate: str
    private_key: str = field(repr=False)
    public_key: str
    fingerprint: str


class CertificateAuthority:
    """Signs certificates with a key of its own."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def new(cls, subject: x509.Name, *, not_after: datetime, key_type: KeyType = KeyType.EC) -> Self:
        """One with a fresh key, whose certificate it signs itself."""
        key = new_key(key_type)
        builder = _builder(subject, issuer=subject, key=key, not_after=not_after, authority=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def kept(
        cls, folder: Path, name: str, *, subject: x509.Name, not_after: datetime, key_type: KeyType
    ) -> Self:
        """That of ``<name>.crt`` and ``<name>.key`` in ``folder``, made when there is none."""
        certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        if certificate_file.is_file() and key_file.is_file():
            key = load_pem_private_key(key_file.read_bytes(), None)
            if isinstance(key, PrivateKey):
                return cls(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key)
        made = cls.new(subject, not_after=not_after, key_type=key_type)
        write_secret(key_file, private_pem(made._key))
        write_secret(certificate_file, made.certificate)
        return made

    @property
    def certificate(self) -> str:
        """Its own certificate as PEM: what is to be trusted."""
        return _pem(self._certificate)

    @property
    def subject(self) -> x509.Name:
        """Whom its certificates name as issuer."""
        return self._certificate.subject

    def issue(
        self,
        subject: x509.Name,
        *,
        not_after: datetime,
        key_type: KeyType = KeyType.EC,
        purpose: x509.ObjectIdentifier | None = None,
        names: Sequence[x509.GeneralName] = (),
    ) -> IssuedCredentials:
        """A certificate with a fresh key: for one extended ``purpose`` or for any, with alternative ``names``.

        Takes a tenth of a second for RSA; may be called in any thread.
        """
        key = new_key(key_type)
        builder = _builder(subject, issuer=self.subject, key=key, not_after=not_after, authority=False)
        extensions: list[x509.ExtensionType] = [
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        ]
        if purpose is not None:
            extensions.append(x509.ExtendedKeyUsage([purpose]))
        if names:
            extensions.append(x509.SubjectAlternativeName(names))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return IssuedCredentials(
            certificate=_pem(certificate),
            private_key=private_pem(key),
            public_key=public_pem(key),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        )


def named(common_name: str, *, organization: str | None = None) -> x509.Name:
    """A subject of a common name, in an organization where there is one."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def new_key(key_type: KeyType) -> PrivateKey:
    """A new private key of this type, drawn at random."""
    if key_type is KeyType.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: PrivateKey) -> str:
    """A private key as PEM without a passphrase: PKCS#1 for RSA, as MIC gives it, and SEC1 for EC."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def public_pem(key: PrivateKey) -> str:
    """The public half of a key as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _builder(
    subject: x509.Name, *, issuer: x509.Name, key: PrivateKey, not_after: datetime, authority: bool
) -> x509.CertificateBuilder:
    """All that every certificate has; valid from a moment ago, for clocks that are behind."""
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    constraints = x509.BasicConstraints(ca=authority, path_length=0 if authority else None)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _CLOCK_SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
    )
