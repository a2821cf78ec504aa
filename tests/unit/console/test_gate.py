"""Who may ask the console's server."""

import re

import pytest

from thing_operator.console.gate import HEADERS, Gate

GATE = Gate(4711, "token", "session")
OWN = {"Host": "127.0.0.1:4711"}


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        {"Host": "localhost:4711"},
        OWN | {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:4711"},
        OWN | {"Sec-Fetch-Site": "none"},
    ],
)
def test_its_own_page_is_answered(headers: dict[str, str]) -> None:
    assert GATE.refusal(headers, opens=False) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:4712"},
        {"Host": "rebound.example:4711"},
        {"Host": "127.0.0.1:4711.rebound.example"},
        OWN | {"Origin": "http://rebound.example:4711"},
        OWN | {"Origin": "null"},
        OWN | {"Origin": "https://127.0.0.1:4711"},
        OWN | {"Origin": ""},
    ],
)
def test_other_names_and_other_origins_are_refused(headers: dict[str, str]) -> None:
    assert GATE.refusal(headers, opens=False)
    assert GATE.refusal(headers, opens=True)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_lead_to_the_page_and_read_nothing(site: str) -> None:
    headers = OWN | {"Sec-Fetch-Site": site}
    assert GATE.refusal(headers, opens=True) is None
    assert GATE.refusal(headers, opens=False)


def test_the_link_gives_the_cookie_and_only_the_cookie_admits() -> None:
    assert GATE.link == "http://127.0.0.1:4711/?token=token"
    assert (GATE.is_token("token"), GATE.is_token("tokem"), GATE.is_token("tökén")) == (True, False, False)
    assert [GATE.admits(each) for each in ("session", None, "", "token", "sessiön")] == [True] + [False] * 4


def test_each_console_has_secrets_of_its_own() -> None:
    one, other = Gate.make(1), Gate.make(2)
    assert len({one.token, one.session, other.token, other.session}) == 4
    assert min(map(len, (one.token, one.session))) >= 43
    assert one.cookie != other.cookie


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert set(re.findall(r"(?<= )'[\w-]+'", policy)) == {"'none'", "'self'", "'script'"}
    assert "unsafe" not in policy
    assert "http" not in policy
