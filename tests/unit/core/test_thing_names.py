"""Names of Kubernetes objects for things."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thing_operator.core.thing_names import object_name, secret_name, thing_label_value
from thing_operator.shadow.topics import is_thing_name

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

THING_NAMES = st.text(string.ascii_letters + string.digits + ":_-", min_size=1, max_size=128)
LEGAL_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,126}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("thing_name", "expected"),
    [
        ("00001721", "thing-00001721"),
        ("dev-00000001", "thing-dev-00000001"),
        ("pump-deadbeef", "thing-pump-deadbeef"),
        ("a" * 128, "thing-" + "a" * 128),
        ("My_Thing:1", "thing-my-thing-1.83fdecf8"),
        ("::", "thing-thing.71546855"),
    ],
)
def test_readable_names(thing_name: str, expected: str) -> None:
    assert secret_name(thing_name) == expected
    assert object_name(thing_name) == expected.removeprefix("thing-")


@given(THING_NAMES)
@example("-")
@example("A" * 128)
@example("a-" * 64)
def test_every_thing_name_gives_legal_object_names(thing_name: str) -> None:
    for name in (object_name(thing_name), secret_name(thing_name)):
        assert SUBDOMAIN.fullmatch(name)
        assert len(name) <= 253
    if object_name(thing_name) != thing_name:
        assert len(secret_name(thing_name)) <= 63


@given(LEGAL_NAMES)
def test_a_legal_name_stays_as_it_is(thing_name: str) -> None:
    assert object_name(thing_name) == thing_name


@given(st.lists(THING_NAMES | LEGAL_NAMES, unique=True, max_size=20))
def test_different_things_get_different_names(thing_names: list[str]) -> None:
    assert len({object_name(name) for name in thing_names}) == len(thing_names)


@given(THING_NAMES)
def test_a_changed_name_can_be_no_other_things_own(thing_name: str) -> None:
    """Nobody can give a thing the name that a changed name has become: it is no thing name."""
    changed = object_name(thing_name)
    assert changed == thing_name or not is_thing_name(changed)


@given(st.lists(st.sampled_from(["pump", "Pump", "PUMP", "pump_", "_pump", "pump:", "pUmp"]), unique=True))
def test_names_that_read_alike_stay_distinct(thing_names: list[str]) -> None:
    assert len({secret_name(name) for name in thing_names}) == len(thing_names)


@pytest.mark.parametrize("name", ["0", "a:b", "_", "-", "Z" * 128])
def test_thing_names(name: str) -> None:
    assert is_thing_name(name)


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a/b", "ø", "a" * 129, "a\n", "٣"])
def test_no_thing_names(name: str) -> None:
    assert not is_thing_name(name)


@given(THING_NAMES)
def test_label_values_are_legal_or_absent(thing_name: str) -> None:
    value = thing_label_value(thing_name)
    legal = len(thing_name) <= 63 and LABEL_VALUE.fullmatch(thing_name) is not None
    assert value == (thing_name if legal else None)
