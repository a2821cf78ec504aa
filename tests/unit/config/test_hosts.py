"""What a list of brokers allows."""

import pytest

from thing_operator.config.hosts import Reach, broker_reach

NONE, PUBLIC, FULL = Reach.NONE, Reach.PUBLIC, Reach.FULL


@pytest.mark.parametrize(
    ("pattern", "host", "port", "reach"),
    [
        ("broker.example", "broker.example", 8883, FULL),
        ("broker.example", "BROKER.example", 443, FULL),
        ("broker.example", "broker.example", 22, NONE),
        ("broker.example", "broker.example", 1884, FULL),
        ("*.example", "broker.example", 1884, PUBLIC),
        ("broker.example:22", "broker.example", 1884, NONE),
        ("broker.example", "other.example", 8883, NONE),
        ("broker.example:22", "broker.example", 22, FULL),
        ("broker.example:22", "broker.example", 8883, NONE),
        ("broker.example:*", "broker.example", 1, FULL),
        ("10.0.0.1", "10.0.0.1", 8883, FULL),
        ("*.example", "broker.example", 8883, PUBLIC),
        ("*.example", "example", 8883, NONE),
        ("*.example", "broker.example.evil", 8883, NONE),
        ("*.example", "broker.example", 6443, NONE),
        ("*.example:6443", "broker.example", 6443, PUBLIC),
        ("*", "any.example", 443, PUBLIC),
        ("*", "any.example", 80, NONE),
        ("*:*", "any.example", 80, PUBLIC),
        ("*:*", "127.0.0.1", 8883, NONE),
        ("*", "2130706433", 8883, NONE),
        ("*", "0x7f000001", 8883, NONE),
        ("*", "127.1", 8883, NONE),
    ],
)
def test_one_entry(pattern: str, host: str, port: int, reach: Reach) -> None:
    assert broker_reach(host, port, patterns=[pattern], default_port=1884) is reach


def test_the_name_itself_counts_for_more_than_a_pattern_wherever_it_stands() -> None:
    for patterns in (["*.example", "in.example"], ["in.example", "*.example"]):
        assert broker_reach("in.example", 8883, patterns=patterns, default_port=8883) is FULL
        assert broker_reach("out.example", 8883, patterns=patterns, default_port=8883) is PUBLIC


def test_nothing_listed_is_nothing_allowed() -> None:
    assert broker_reach("any.example", 8883, patterns=(), default_port=8883) is NONE
