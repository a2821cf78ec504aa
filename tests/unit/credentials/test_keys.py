"""Which keys of a Secret are taken."""

import pytest

from thing_operator.credentials import CredentialsError
from thing_operator.credentials.keys import pick_pair

TLS = {"tls.crt": b"tls certificate", "tls.key": b"tls key"}
MIC = {"cert.pem": b"mic certificate", "privkey.pem": b"mic key"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TLS, TLS),
        (MIC, MIC),
        (TLS | MIC, TLS),
        (TLS | {"tls.key": b""} | MIC, MIC),
        (TLS | {"ca.crt": b"authority"}, TLS),
    ],
)
def test_usual_names(data: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert pick_pair(data) == tuple(expected)


def test_named_keys_come_before_the_usual_ones() -> None:
    data = TLS | {"c": b"own certificate", "k": b"own key"}
    assert pick_pair(data, certificate_key="c", private_key_key="k") == ("c", "k")


def test_one_named_key_goes_with_the_usual_name_of_the_other() -> None:
    data = {"client.crt": b"own certificate", "privkey.pem": b"mic key"}
    assert pick_pair(data, certificate_key="client.crt") == ("client.crt", "privkey.pem")


@pytest.mark.parametrize(
    ("data", "names", "words"),
    [
        ({}, {}, ["it has nothing", "tls.crt and tls.key or cert.pem and privkey.pem are needed"]),
        ({"tls.crt": b"x", "privkey.pem": b"x"}, {}, ["it has privkey.pem, tls.crt,"]),
        (TLS | {"tls.crt": b""}, {}, ["tls.crt (empty), tls.key"]),
        (TLS, {"certificate_key": "c", "private_key_key": "k"}, ["tls.crt, tls.key", "c and k are needed"]),
        ({f"key{n:02}.pem": b"x" for n in range(30)}, {}, ["key09.pem, 20 other keys"]),
    ],
)
def test_missing_keys_are_named_with_those_that_are_there(
    data: dict[str, bytes], names: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(CredentialsError) as caught:
        pick_pair(data, **names)
    assert caught.value.reason == "KeyMissing"
    for text in words:
        assert text in caught.value.message


def test_the_message_shows_names_of_certificates_and_keys_and_nothing_else() -> None:
    with pytest.raises(CredentialsError) as caught:
        pick_pair({"password": b"hunter2"})
    assert "it has 1 key of other names" in caught.value.message
    assert "password" not in caught.value.message
    assert "hunter2" not in caught.value.message
