"""Where a cloud listens, and what it may be called."""

import pytest

from thing_operator_local.cloud.address import CloudAddress
from thing_operator_local.errors import LocalError


@pytest.mark.parametrize(
    ("listen", "host", "at"),
    [
        ("127.0.0.1", "localhost", "127.0.0.1:8883"),
        ("0.0.0.0", "localhost", "0.0.0.0:8883"),  # noqa: S104 - what is asked for here
        ("127.0.0.2", "127.0.0.2", "127.0.0.2:8883"),
        ("::", "localhost", "[::]:8883"),
        ("172.18.0.1", "172.18.0.1", "172.18.0.1:8883"),
    ],
)
def test_how_this_machine_reaches_it(listen: str, host: str, at: str) -> None:
    address = CloudAddress(listen)
    assert (address.host, address.at(8883)) == (host, at)
    assert host in address.names


def test_names_are_there_once_and_in_order() -> None:
    address = CloudAddress("172.18.0.1", ("cloud", "localhost", "172.18.0.1"))
    assert address.names == ("localhost", "127.0.0.1", "172.18.0.1", "cloud")
    assert address.further == ("172.18.0.1", "cloud")


@pytest.mark.parametrize("listen", ["localhost", "", "10.0.0.256"])
def test_listen_takes_addresses_alone(listen: str) -> None:
    with pytest.raises(LocalError, match=r"--listen .* is no IP address"):
        CloudAddress(listen)


@pytest.mark.parametrize("name", ["https://cloud", "cloud:8883", "", "Cloud", "a..b", "-a", "a" * 64])
def test_a_host_name_has_no_scheme_and_no_port(name: str) -> None:
    with pytest.raises(LocalError, match=r"--hostname .* is no host name"):
        CloudAddress(hostnames=(name,))
