"""Things as they are found, made up."""

from datetime import UTC, datetime
from typing import Any

from tests.support.clock import START

from thing_operator.adopt.model import AdoptOptions, FoundThing, ShadowLook
from thing_operator.credentials import Credentials
from thing_operator.shadow.documents import ShadowDocument

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OPTIONS = AdoptOptions("fleet")
PEM = "-----BEGIN X-----\nAA==\n-----END X-----\n"


def credentials(fingerprint: str = "ab") -> Credentials:
    return Credentials(
        certificate_pem=PEM.encode(),
        private_key_pem=PEM.encode(),
        fingerprint=fingerprint,
        not_before=START,
        not_after=START,
        key_type="EC P-256",
    )


def found(name: str = "00001721", source: str = "a.zip", **fields: Any) -> FoundThing:
    """A thing with usable credentials, unless ``fields`` say otherwise."""
    return FoundThing(name, source, **({"credentials": credentials()} | fields))


def look(version: int = 3, **sections: Any) -> ShadowLook:
    document = ShadowDocument(**({"desired": {}, "reported": {}} | sections), version=version)
    return ShadowLook(document=document)
