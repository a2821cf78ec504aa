"""The CA that a Thing names: where it is looked for, and what is said of one that cannot be used."""

import base64
import gc
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.support.pki import NOT_BEFORE, SECOND, Authority, ec_pair

from thing_operator.connections.credentials import (
    CaNotFoundError,
    CaStore,
    CaTooLargeError,
    SecretNotFoundError,
    read_identity,
)
from thing_operator.core.memory_budget import Held, MemoryBudget, MemoryBudgetExceededError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.credentials import CaBundle, CredentialsError
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.twin.resolved import ResolvedThing

PEM = Authority.new().pem
KEY = ec_pair().private_key.decode()
PAIR = ec_pair()


def cas(total: int = 10**7) -> CaStore:
    return CaStore(MemoryBudget(total))


def encoded(**values: bytes) -> dict[str, str]:
    return {name.replace("_", "."): base64.b64encode(value).decode() for name, value in values.items()}


CREDENTIALS = {"data": encoded(tls_crt=PAIR.certificate, tls_key=PAIR.private_key)}


class Store(FakeClient):
    """Has the thing's Secret, and one object with a CA."""

    def __init__(self, resource: Resource, body: dict[str, Any]) -> None:
        self._bodies = {(SECRETS, "thing-t"): CREDENTIALS, (resource, "ca"): body}

    def put(self, name: str, body: dict[str, Any]) -> None:
        """Another Secret in its place."""
        self._bodies[SECRETS, name] = body

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        if (resource, key.name) not in self._bodies:
            raise NotFoundError("not there")
        return self._bodies[resource, key.name]


async def ca_of(resource: Resource, body: dict[str, Any], *, name: str = "ca") -> str | None:
    """What a Thing trusts that names this object."""
    secret, config_map = (name, None) if resource is SECRETS else (None, name)
    resolved = ResolvedThing("t", "localhost", 8883, secret, config_map, "thing-t", None, None)
    store = Store(resource, body)
    found = await read_identity(store, namespace="ns", resolved=resolved, now=FakeClock().now(), cas=cas())
    return found.ca.pem if found.ca else None


async def refusal(resource: Resource, body: dict[str, Any], *, name: str = "ca") -> str:
    with pytest.raises(CaNotFoundError) as caught:
        await ca_of(resource, body, name=name)
    assert caught.value.reason == "CaNotFound"
    return caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"ca.crt": PEM}},
        {"data": {"ca.crt": f"\ufeff{PEM}"}},
        {"data": {"ca.crt": f"# Zertifikat für Å\n{PEM}"}},
        {"data": {"ca.crt": PEM, "ca-bundle.crt": "something else"}},
        {"data": {"ca-bundle.crt": PEM}},
        {"data": {"AmazonRootCA1.pem": PEM}},
        {"binaryData": encoded(ca_crt="# für\n".encode("latin-1") + PEM.encode())},
        {"binaryData": encoded(ca_crt=PEM.encode("utf-16")), "data": {"README": "which CA this is"}},
        {"binaryData": encoded(ca_pem=PEM.encode("utf-16")), "data": None},
    ],
)
async def test_of_a_config_map(body: dict[str, Any]) -> None:
    assert await ca_of(CONFIG_MAPS, body) == PEM


@pytest.mark.parametrize(
    "data",
    [
        encoded(ca_crt=PEM.encode()),
        encoded(ca_crt=PEM.encode("utf-16")),
        encoded(ca_crt="# für\n".encode("latin-1") + PEM.encode()),
        encoded(ca_crt=PEM.encode(), tls_crt=PAIR.certificate, tls_key=PAIR.private_key),
        encoded(root_pem=PEM.encode()),
    ],
)
async def test_of_a_secret(data: dict[str, str]) -> None:
    assert await ca_of(SECRETS, {"data": data}) == PEM


@pytest.mark.parametrize("resource", [SECRETS, CONFIG_MAPS], ids=lambda resource: resource.plural)
@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_one_is_waited_for_and_nothing_else_is_trusted(resource: Resource, text: str) -> None:
    """As cert-manager leaves it until it has issued, and for good where the issuer knows no CA."""
    value = base64.b64encode(text.encode()).decode() if resource is SECRETS else text
    found = await refusal(resource, {"data": {"ca.crt": value, "tls.crt": value}})
    assert "ca.crt of" in found
    assert "is empty" in found
    assert "it is read again until one is there" in found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "ConfigMap ca has nothing: put the broker's CA under ca.crt, as PEM"),
        ({"data": {"a.pem": PEM, "b.pem": ""}}, "ConfigMap ca has a.pem, b.pem (empty): put"),
        (
            {"data": {"a": PEM}, "binaryData": encoded(b=b"\xff")},
            "ConfigMap ca has 2 keys of other names: put",
        ),
        ({"data": {"ca.crt": "see the wiki"}}, "ca.crt of ConfigMap ca is no CA: no certificate in PEM form"),
        ({"data": {"notes": "see the wiki"}}, "notes of ConfigMap ca is no CA"),
        ({"data": {"ca.crt": KEY}}, "there is a private key in its place"),
    ],
)
async def test_what_cannot_be_used_is_named(body: dict[str, Any], words: str) -> None:
    found = await refusal(CONFIG_MAPS, body)
    assert words in found
    assert KEY.splitlines()[1] not in found


async def test_an_object_that_is_not_there() -> None:
    assert "another Secret in spec.endpoint.caSecretName" in await refusal(SECRETS, {}, name="other")


async def test_a_secret_with_the_credentials_that_is_not_there() -> None:
    resolved = ResolvedThing("t", "localhost", 8883, None, None, "thing-other", None, None)
    with pytest.raises(SecretNotFoundError, match="Secret thing-other is not in namespace ns"):
        await read_identity(
            Store(SECRETS, {}), namespace="ns", resolved=resolved, now=FakeClock().now(), cas=cas()
        )


async def test_a_thing_that_names_no_ca_has_none_of_its_own() -> None:
    resolved = ResolvedThing("t", "localhost", 8883, None, None, "thing-t", None, None)
    found = await read_identity(
        Store(SECRETS, {}), namespace="ns", resolved=resolved, now=FakeClock().now(), cas=cas()
    )
    assert found.ca is None


OTHER = ec_pair()


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        ({}, "KeyMissing", "Secret thing-t: it has nothing, but tls.crt and tls.key or cert.pem"),
        (
            encoded(tls_crt=b"no PEM", tls_key=PAIR.private_key),
            "InvalidPem",
            "Secret thing-t: tls.crt: no certificate in PEM form",
        ),
        (
            encoded(cert_pem=PAIR.certificate, privkey_pem=b"no PEM"),
            "InvalidPem",
            "Secret thing-t: privkey.pem: no private key in PEM form",
        ),
        (
            encoded(tls_crt=PAIR.private_key, tls_key=PAIR.certificate),
            "InvalidPem",
            "Secret thing-t: tls.crt: no certificate in PEM form: there is a private key in its place",
        ),
        (
            encoded(tls_crt=PAIR.certificate, tls_key=OTHER.private_key),
            "KeyMismatch",
            "Secret thing-t: tls.crt and tls.key: the private key does not belong to the certificate",
        ),
    ],
)
async def test_what_is_wrong_names_the_secret_and_the_key(data: Any, reason: str, words: str) -> None:
    resolved = ResolvedThing("t", "localhost", 8883, None, None, "thing-t", None, None)
    store = Store(SECRETS, {})
    store.put("thing-t", {"data": data})
    with pytest.raises(CredentialsError) as caught:
        await read_identity(store, namespace="ns", resolved=resolved, now=FakeClock().now(), cas=cas())
    assert caught.value.reason == reason
    assert caught.value.message.startswith(words)
    assert caught.value.__cause__ is None


async def test_the_end_of_what_is_amiss_is_kept_with_the_names() -> None:
    resolved = ResolvedThing("t", "localhost", 8883, None, None, "thing-t", None, None)
    early = NOT_BEFORE - SECOND
    with pytest.raises(CredentialsError, match=r"^Secret thing-t: tls\.crt and tls\.key: ") as caught:
        await read_identity(Store(SECRETS, {}), namespace="ns", resolved=resolved, now=early, cas=cas())
    assert caught.value.reason == "NotYetValid"
    assert caught.value.ends_at == NOT_BEFORE


@pytest.mark.parametrize("pem", [PEM * 51, PEM * 5000, PEM + "#" * 64 * 1024])
async def test_a_ca_that_is_too_large_is_refused_before_it_is_parsed(pem: str) -> None:
    with pytest.raises(CaTooLargeError) as caught:
        await ca_of(SECRETS, {"data": encoded(ca_crt=pem.encode())})
    assert caught.value.reason == "CaTooLarge"
    assert f"ca.crt of Secret ca has {len(pem)} bytes" in caught.value.message
    assert "endpoint.caFile" in caught.value.message


def test_the_same_ca_is_kept_once_in_a_namespace_and_only_while_it_is_used() -> None:
    budget = MemoryBudget(10**7)
    store = CaStore(budget)
    bundles = [store.shared("ns", PEM) for _ in range(200)]
    assert len({id(each) for each in bundles}) == 1
    held = budget.used[Held.CA]
    assert held > len(PEM)
    bundles.append(store.shared("another", PEM))
    assert len(store) == 2
    assert budget.used[Held.CA] == 2 * held
    del bundles
    gc.collect()
    assert len(store) == 0
    assert budget.used[Held.CA] == 0


async def test_a_namespace_whose_cas_take_its_share_of_memory_says_so() -> None:
    store = CaStore(MemoryBudget(10**6))
    kept: list[CaBundle] = []

    def take(count: int) -> None:
        kept.extend(store.shared("ns", f"{PEM}# {number}") for number in range(count))

    with pytest.raises(MemoryBudgetExceededError):
        take(100)
    assert 0 < len(kept) < 10
    assert store.shared("another", PEM).pem == PEM
    resolved = ResolvedThing("t", "localhost", 8883, "ca", None, "thing-t", None, None)
    client = Store(SECRETS, {"data": encoded(ca_crt=Authority.new("new").pem.encode())})
    with pytest.raises(CaNotFoundError) as caught:
        await read_identity(client, namespace="ns", resolved=resolved, now=FakeClock().now(), cas=store)
    assert caught.value.reason == "MemoryBudgetExceeded"
