"""The proxy of the environment, against what Go's httpproxy says of the same variables."""

import pytest

from thing_operator.login.errors import LoginError
from thing_operator.login.proxies import checked_proxy, environment_proxy

PROXY = "http://proxy.example:3128"


def proxy(server: str, no_proxy: str = "", **more: str) -> str | None:
    return environment_proxy(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy} | more)


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://10.1.2.3:6443", "10.0.0.0/8"),
        ("https://10.1.2.3:6443", "10.1.2.200/24"),  # bits of a host are ignored
        ("https://10.1.2.3:6443", "10.1.2.3/32"),
        ("https://[fd00::12]:6443", "fd00::/8"),
        ("https://[::ffff:10.1.2.3]:6443", "10.0.0.0/8"),
        ("https://10.1.2.3:6443", "10.1.2.3"),
        ("https://10.1.2.3:6443", "10.1.2.3:6443"),
        ("https://10.1.2.3", "10.1.2.3:443"),
        ("https://[fd00::12]:6443", "fd00::12"),
        ("https://[fd00::12]:6443", "[fd00::12]:6443"),
        ("https://api.example.com", "example.com"),
        ("https://example.com", "example.com"),
        ("https://example.com:6443", "example.com:6443"),
        ("https://api.example.com", ".example.com"),
        ("https://api.example.com", "*.example.com"),
        ("https://API.Example.com", "api.EXAMPLE.com"),
        ("https://bücher.example", "bücher.example"),
        ("https://api.example.com", "10.0.0.0/8 ,  .example.com"),
        ("https://api.example.com", "nonsense,*"),
        ("https://localhost:6443", ""),
        ("https://127.0.0.1:6443", ""),
        ("https://127.8.0.1:6443", ""),
        ("https://[::1]:6443", ""),
    ],
)
def test_reached_without_the_proxy(server: str, no_proxy: str) -> None:
    assert proxy(server, no_proxy) is None
    if no_proxy:
        assert proxy(server) == PROXY


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://11.1.2.3:6443", "10.0.0.0/8"),
        ("https://10.1.2.3:6443", "10.1.2.3:443"),
        ("https://10.1.2.3:6443", "10.0.0.0/255.0.0.0"),  # no CIDR to Go
        ("https://10.1.2.3:6443", "10.1.2.3/33"),
        ("https://10.1.2.3:6443", "10.1.2."),
        ("https://[fd00::12]:6443", "[fd00::12]"),  # brackets are for ports
        ("https://api.example.com", "10.0.0.0/8"),  # names are not resolved
        ("https://example.com", ".example.com"),
        ("https://example.com", "*.example.com"),
        ("https://notexample.com", "example.com"),
        ("https://api.example.com", "*example.com"),
        ("https://example.com:6443", "example.com:443"),
        ("https://example.com", "example.com."),
        ("https://example.com", "example.com other.com"),
        ("https://example.com", ",,:443,.,*."),
    ],
)
def test_reached_by_the_proxy(server: str, no_proxy: str) -> None:
    assert proxy(server, no_proxy) == PROXY


def test_the_scheme_of_the_server_says_which_variable_counts() -> None:
    both = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": "http://plain.example"}
    assert environment_proxy("http://api.example", both) == "http://plain.example"
    assert environment_proxy("https://api.example", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}) is None


def test_capitals_go_first_and_what_is_empty_is_not_set() -> None:
    small = {"https_proxy": "http://small.example", "no_proxy": "api.example"}
    assert environment_proxy("https://api.example", small) is None
    assert environment_proxy("https://x.example", small | {"HTTPS_PROXY": ""}) == "http://small.example"
    assert environment_proxy("https://x.example", small | {"HTTPS_PROXY": PROXY}) == PROXY


def test_a_proxy_without_scheme_speaks_http() -> None:
    assert proxy("https://api.example", HTTPS_PROXY="proxy.example:3128") == PROXY
    assert proxy("https://api.example", HTTPS_PROXY="https://proxy.example") == "https://proxy.example"


@pytest.mark.parametrize("url", ["socks5://u:secret@proxy.example:1080", "http://", "http://u:secret@:x"])
def test_a_proxy_that_is_none_for_http_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LoginError, match=r"^HTTPS_PROXY .*http:// or https://$") as caught:
        proxy("https://api.example", HTTPS_PROXY=url)
    assert "secret" not in str(caught.value)
    assert proxy("https://127.0.0.1", HTTPS_PROXY=url) is None, "it is not needed"
    with pytest.raises(LoginError, match="proxy-url"):
        checked_proxy(url, field="proxy-url")
