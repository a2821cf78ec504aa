"""Addresses of the internet, and hosts that are numbers."""

import pytest

from thing_operator.core.addresses import is_numeric, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("52.95.110.1", True),
        ("2600:1f18::1", True),
        ("2a05:d018::1", True),
        ("64:ff9b::345f:6e01", True),
        ("::ffff:52.95.110.1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.1.1", False),
        ("192.0.0.9", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to be refused
        ("::", False),
        ("::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("::10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("100::1", False),
        ("2001::1", False),
        ("2001:2::1", False),
        ("2001:20::1", False),
        ("2001:db8::1", False),
        ("2002:7f00:1::", False),
        ("2002:345f:6e01::", False),
        ("3fff::1", False),
        ("4000::1", False),
        ("5f00::1", False),
        ("no address", False),
    ],
)
def test_public_addresses(address: str, *, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "numeric"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("2130706433", True),
        ("0x7f000001", True),
        ("0X7F.1", True),
        ("0177.0.0.0x1", True),
        ("::1", True),
        ("broker", False),
        ("1.2.3.4.example", False),
        ("0x7f.example", False),
        ("a1", False),
    ],
)
def test_hosts_that_are_numbers(host: str, *, numeric: bool) -> None:
    assert is_numeric(host) is numeric
