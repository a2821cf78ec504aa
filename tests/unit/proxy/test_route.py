"""The address of a proxy, and its password."""

from pathlib import Path

import pytest

from thing_operator.proxy.route import ProxyAddress, ProxyFailedError, ProxyRoute


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("socks5://proxy:1080", ProxyAddress("socks5", "proxy", 1080)),
        ("socks5h://plant@proxy.example:1080", ProxyAddress("socks5h", "proxy.example", 1080, "plant")),
        ("http://10.0.0.1:3128/", ProxyAddress("http", "10.0.0.1", 3128)),
        ("HTTP://PLANT%40no@[fd00::1]:3128", ProxyAddress("http", "fd00::1", 3128, "PLANT@no")),
    ],
)
def test_addresses(url: str, address: ProxyAddress) -> None:
    assert ProxyAddress.parse(url) == address
    assert address.resolves_names is not (address.scheme == "socks5")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("proxy:1080", "socks5://, socks5h:// or http://"),
        ("https://proxy:3128", "socks5://, socks5h:// or http://"),
        ("socks4://proxy:1080", "socks5://, socks5h:// or http://"),
        ("socks5h://proxy", "with host and port"),
        ("socks5h://proxy:0", "with host and port"),
        ("socks5h://proxy:99999", "with host and port"),
        ("socks5h://proxy:port", "with host and port"),
        ("socks5h://:1080", "with host and port"),
        ("socks5h://proxy:1080/path", "with host and port"),
        ("socks5h://proxy:1080?x=y", "with host and port"),
        ("socks5h://[fd00::1:1080", "with host and port"),
        ("socks5h://plant:hush@proxy:1080", "without the password"),
        ("socks5h://plant:@proxy:1080", "without the password"),
        ("socks5h://pl%C3%A4nt@proxy:1080", "ASCII"),
        ("socks5h://a%3Ab@proxy:1080", "colon"),
        (f"socks5h://{'x' * 256}@proxy:1080", "255"),
    ],
)
def test_what_is_no_address_is_refused_without_a_word_of_it(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        ProxyAddress.parse(url)
    assert "hush" not in str(caught.value)


def route(file: Path | None) -> ProxyRoute:
    return ProxyRoute(ProxyAddress.parse("http://plant@proxy:3128"), password_file=file)


def test_the_password_is_read_each_time_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    assert route(None).password() is None
    file.write_text("hush hush\n")
    assert route(file).password() == "hush hush"
    file.write_text("renewed\r\n")
    assert route(file).password() == "renewed"


@pytest.mark.parametrize("content", ["", "\n", "h\u00fcsh", "hush\nhush", "x" * 256])
def test_what_is_no_password_is_named_by_its_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ProxyFailedError, match="holds no password for the proxy proxy:3128") as caught:
        route(file).password()
    assert str(file) in caught.value.message
    assert "hush" not in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProxyFailedError, match=r"absent \(No such file or directory\): store it there"):
        route(tmp_path / "absent").password()


def test_what_is_excluded_is_reached_without_it() -> None:
    some = ProxyRoute(ProxyAddress.parse("socks5h://[fd00::1]:1080"), excluded=("10.0.0.0/8", "plant"))
    assert some.leads_to("broker.example", 8883)
    assert not some.leads_to("broker.plant", 8883)
    assert not some.leads_to("10.1.2.3", 8883)
    assert str(some.address) == "[fd00::1]:1080"
