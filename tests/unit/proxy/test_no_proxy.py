"""What an entry of NO_PROXY means; tests/unit/kube/test_proxies.py has the variable's whole reading."""

import pytest

from thing_operator.proxy.no_proxy import is_listed


@pytest.mark.parametrize(
    ("host", "entries", "listed"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("11.1.2.3", ("10.0.0.0/8",), False),
        ("10.1.2.3", ("10.0.0.0/33",), False),
        ("fd00::12", ("fd00::/8",), True),
        ("broker.plant", ("other", "plant"), True),
        ("broker.plant", ("broker.plant:8883",), True),
        ("broker.plant", ("broker.plant:443",), False),
        ("Broker.Plant", (".PLANT",), True),
        ("plant", (".plant",), False),
        ("broker.plant", ("*",), True),
        ("localhost", (), False),  # nothing is implied: who names a proxy means it
    ],
)
def test_listed(host: str, entries: tuple[str, ...], listed: bool) -> None:
    assert is_listed(host, 8883, entries) is listed
