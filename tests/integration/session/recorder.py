"""Sessions on one hub, and every view they show."""

import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from tests.support.pki import Authority, identity_of

from thing_operator.credentials import CaBundle
from thing_operator.session import Endpoint, Hub, Session, SessionSpec, SessionView
from thing_operator_local.cloud.client import CloudThing, LocalCloud


@cache
def bundle_of(pem: str | None) -> CaBundle | None:
    """The same for the same PEM, as Things of one CA have it; None for the Amazon roots."""
    return CaBundle.of(pem) if pem is not None else None


@dataclass
class Recorder:
    """Opens sessions on one hub and keeps every view they show."""

    hub: Hub
    authority: Authority
    views: list[SessionView] = field(default_factory=list)

    def spec(self, port: int, *, name: str = "t1", **changes: Any) -> SessionSpec:
        """On localhost, trusting the authority, with a new identity; ``changes`` replace any of it."""
        ca = bundle_of(changes.pop("ca_pem", self.authority.pem))
        endpoint = Endpoint(changes.pop("host", "localhost"), port, ca)
        identity = changes.pop("identity", None) or self.authority.identity(name)
        return SessionSpec(name, endpoint, identity, **changes)

    def open(self, spec: SessionSpec) -> Session:
        """Record what it shows."""
        return self.hub.open(spec, lambda session: self.views.append(session.view))


@dataclass(frozen=True)
class Times:
    """How long the sessions of a test wait."""

    connect: str
    request: str


PATIENT = Times("30s", "30s")
"""So that nothing but what a test means runs out of time on a slow machine."""
HASTY = Times("2s", "1s")
"""For a test of what happens when a time runs out: ``@pytest.mark.parametrize("times", [HASTY])``."""

BOTH_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
"""For a test that is the same whichever version of TLS the server speaks."""


def spec_of(cloud: LocalCloud, thing: CloudThing) -> SessionSpec:
    """The thing on the local cloud."""
    ca = CaBundle.of(cloud.info.ca.read_text(encoding="ascii"))
    endpoint = Endpoint(cloud.info.mqtt_host, cloud.info.mqtt_port, ca)
    return SessionSpec(thing.name, endpoint, identity_of(thing.certificate_pem, thing.private_key_pem))
