"""Which certificate a server sees: that of the session, or none; over contexts that many identities share."""

import asyncio
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.pki import AnyKey, Authority
from tests.support.polling import until

from thing_operator.core.tls import client_context
from thing_operator.credentials import CaBundle
from thing_operator.mqtt.errors import TlsFailedError
from thing_operator.mqtt.model import Endpoint, Identity
from thing_operator.mqtt.tls import TlsContexts

ROOT = Authority.new("root")
TRUSTED = CaBundle.of(ROOT.pem)
INTERMEDIATE = ROOT.intermediate()

KINDS: dict[str, Callable[[], AnyKey]] = {
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "RSA-PSS": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EC P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EC P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@cache
def key_of(kind: str, which: int) -> AnyKey:
    """The same key for the same words: an RSA key is slow to make."""
    return KINDS[kind]()


@cache
def identity_of(kind: str, which: int = 0, *, depth: int = 0) -> Identity:
    """One of some identities of a kind. ``depth`` 1: signed by the intermediate, whose certificate goes along."""
    issuer = INTERMEDIATE if depth else ROOT
    made = issuer.identity_for(key_of(kind, which), pss=kind == "RSA-PSS")
    return replace(made, certificate_pem=made.certificate_pem + INTERMEDIATE.pem.encode()) if depth else made


@dataclass
class Server:
    """A server of Python's ssl that demands a client certificate of ROOT and says which one it saw."""

    context: ssl.SSLContext
    trusted: CaBundle = TRUSTED
    contexts: TlsContexts = field(default_factory=TlsContexts)
    _sockets: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets.close()

    def begin(self, identity: Identity) -> "Handshake":
        """A connection whose handshake has not begun; its identity is chosen."""
        ours, theirs = (self._sockets.enter_context(end) for end in socket.socketpair())
        endpoint = Endpoint("localhost", 8883, self.trusted)
        client = self._sockets.enter_context(self.contexts.wrap(ours, endpoint=endpoint, identity=identity))
        return Handshake(self.context, client, theirs)

    def seen(self, identity: Identity) -> str | None:
        """The fingerprint that a whole handshake shows; None where the server got none that it takes."""
        return self.begin(identity).finish(self.contexts)


class Handshake:
    """Both ends of one connection, driven by turns: the server from memory, the client over a pair of sockets."""

    def __init__(self, context: ssl.SSLContext, client: ssl.SSLSocket, wire: socket.socket) -> None:
        self.client = client
        self._wire = wire
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._server = context.wrap_bio(self._in, self._out, server_side=True)
        client.setblocking(False)
        wire.setblocking(False)

    def finish(self, contexts: TlsContexts) -> str | None:
        """What the server has seen at the end."""
        client_done = server_done = False
        while not server_done:
            if not client_done and (client_done := _done(self.client.do_handshake)):
                contexts.drop_identity(self.client)
            self._in.write(self._wire.recv(65536))
            try:
                server_done = _done(self._server.do_handshake)
            except ssl.SSLError:
                return None
            if sent := self._out.read():
                self._wire.sendall(sent)
        shown = self._server.getpeercert(binary_form=True)
        assert shown is not None
        return hashlib.sha256(shown).hexdigest()


def _done(step: Callable[[], None]) -> bool:
    try:
        step()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.fixture(scope="module", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def server_context(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ssl.SSLContext:
    context = server_with(ROOT.server("localhost"), tmp_path_factory.mktemp("server"))
    context.minimum_version = context.maximum_version = request.param
    return context


def server_with(pem: bytes, folder: Path) -> ssl.SSLContext:
    """One with this certificate that demands a client certificate of ROOT."""
    file = folder / "server.pem"
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.load_verify_locations(cadata=ROOT.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with Server(server_context) as server:
        yield server


def test_an_rsa_thing_does_not_show_the_certificate_of_an_rsa_pss_thing(server: Server) -> None:
    pss, other = identity_of("RSA-PSS"), identity_of("RSA")
    assert server.seen(pss) == pss.fingerprint
    assert server.seen(other) == other.fingerprint


identities = st.builds(identity_of, st.sampled_from(list(KINDS)), st.integers(0, 1), depth=st.integers(0, 1))
each_kind = st.permutations([identity_of(kind, which) for kind in KINDS for which in (0, 1)])


@settings(max_examples=30, deadline=None)
@given(shown=each_kind | st.lists(identities, max_size=20))
def test_each_session_shows_its_own_certificate_in_any_order(
    server_context: ssl.SSLContext, shown: list[Identity]
) -> None:
    with Server(server_context) as server:
        assert [server.seen(identity) for identity in shown] == [identity.fingerprint for identity in shown]


@settings(max_examples=30, deadline=None)
@given(data=st.data(), shown=st.lists(identities, min_size=2, max_size=8))
def test_handshakes_that_overlap_show_each_its_own_certificate(
    server_context: ssl.SSLContext, data: st.DataObject, shown: list[Identity]
) -> None:
    turns = data.draw(st.permutations(range(len(shown))))
    with Server(server_context) as server:
        begun = [server.begin(identity) for identity in shown]
        for turn in turns:
            assert begun[turn].finish(server.contexts) == shown[turn].fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_no_intermediate_of_another_identity_goes_along(kind: str, server: Server) -> None:
    whole = identity_of(kind, 0, depth=1)
    alone = replace(identity_of(kind, 1, depth=1), certificate_pem=leaf_of(identity_of(kind, 1, depth=1)))
    assert server.seen(whole) == whole.fingerprint
    assert server.seen(alone) is None  # the server trusts the root only, and was shown no intermediate
    assert server.seen(whole) == whole.fingerprint


def test_identities_of_one_algorithm_share_a_context(server: Server) -> None:
    contexts = {kind: server.begin(identity_of(kind)).client.context for kind in KINDS}
    assert len(set(contexts.values())) == 4
    assert contexts["EC P-256"] is contexts["EC P-384"] is contexts["EC P-521"]
    for kind, context in contexts.items():
        assert server.begin(identity_of(kind, 1)).client.context is context


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_in_which_loading_failed_is_not_used_again(kind: str, server: Server) -> None:
    good, other = identity_of(kind, 0), identity_of(kind, 1)
    renewed = ROOT.identity_for(key_of(kind, 0), pss=kind == "RSA-PSS")
    before = server.begin(good)
    for key in (
        other.private_key_pem,
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ):
        with pytest.raises(TlsFailedError):
            server.begin(replace(renewed, private_key_pem=key))
    after = server.begin(other)
    assert after.client.context is not before.client.context
    assert after.finish(server.contexts) == other.fingerprint
    assert before.finish(server.contexts) == good.fingerprint


def test_an_unknown_kind_of_key_is_refused_with_what_to_use_instead(server: Server) -> None:
    strange = ROOT.identity_for(ed448.Ed448PrivateKey.generate())
    with pytest.raises(TlsFailedError, match=r"1\.3\.101\.113.*take a certificate for RSA") as caught:
        server.begin(strange)
    assert strange.fingerprint in caught.value.message


def test_the_old_name_of_a_certificate_in_pem_will_do(server: Server) -> None:
    named_now = identity_of("RSA", depth=1)
    named_of_old = named_now.certificate_pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE")
    assert server.seen(replace(named_now, certificate_pem=named_of_old)) == named_now.fingerprint


@pytest.mark.parametrize(
    "certificates",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        # OpenSSL takes the first for the leaf, cryptography the second.
        identity_of("RSA-PSS").certificate_pem.replace(b" CERT", b" TRUSTED CERT")
        + identity_of("RSA").certificate_pem,
    ],
    ids=["empty", "text", "damaged", "trusted certificate"],
)
def test_certificates_in_which_the_leaf_is_in_doubt_are_refused(certificates: bytes, server: Server) -> None:
    with pytest.raises(TlsFailedError, match="must be PEM"):
        server.begin(replace(identity_of("RSA-PSS"), certificate_pem=certificates))


def test_a_key_for_rsa_does_not_serve_an_rsa_pss_certificate(server: Server) -> None:
    as_rsa = ROOT.identity_for(key_of("RSA-PSS", 0))
    with pytest.raises(TlsFailedError, match="RSA-PSS is another one than RSA"):
        server.begin(replace(identity_of("RSA-PSS"), private_key_pem=as_rsa.private_key_pem))


def test_an_intermediate_is_enough_to_trust_a_broker(tmp_path: Path) -> None:
    shown = INTERMEDIATE.server("localhost") + INTERMEDIATE.pem.encode()
    with Server(server_with(shown, tmp_path), trusted=CaBundle.of(INTERMEDIATE.pem)) as server:
        assert server.seen(identity_of("RSA")) == identity_of("RSA").fingerprint


def test_a_damaged_ca_is_named(server: Server) -> None:
    server.trusted = CaBundle.of(ROOT.pem.replace("\nM", "\nA", 1))
    with pytest.raises(TlsFailedError, match="the CA given for localhost is not usable"):
        server.begin(identity_of("RSA"))


@pytest.mark.real_time
async def test_contexts_are_made_once_beside_the_loop_and_go_with_their_ca(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred times as many CAs as are in use at a time."""
    made_by: list[str] = []

    def recording(authorities: str) -> ssl.SSLContext:
        made_by.append(threading.current_thread().name)
        return client_context(authorities)

    monkeypatch.setattr("thing_operator.mqtt.tls.client_context", recording)
    contexts, identity = TlsContexts(), identity_of("EC P-256")
    for number in range(100):
        bundle = CaBundle.of(f"# {number}\n{ROOT.pem}")
        endpoint = Endpoint("localhost", 8883, bundle)
        await asyncio.gather(*(contexts.prepare(endpoint, identity) for _ in range(20)))
        again = Endpoint("other", 8883, CaBundle.of(bundle.pem))
        await contexts.prepare(again, identity)
        del again
        # The thread lets its last one go when it has time.
        await until(lambda: len(contexts) == 1)
        assert len(made_by) == number + 1
    assert threading.current_thread().name not in made_by
    del bundle, endpoint
    await until(lambda: len(contexts) == 0)


def leaf_of(identity: Identity) -> bytes:
    """Its certificate without the chain."""
    end = b"-----END CERTIFICATE-----\n"
    return identity.certificate_pem.partition(end)[0] + end
