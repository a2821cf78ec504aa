"""Names of objects and of namespaces, as the API server takes them."""

import pytest

from thing_operator.core.object_names import check_namespace_name, check_object_name, is_object_name


@pytest.mark.parametrize("name", ["a", "freezers", "00001721", "a.b-c", "x" * 253])
def test_what_the_api_server_takes(name: str) -> None:
    assert check_object_name(name) == name
    assert is_object_name(name)


@pytest.mark.parametrize("name", ["", "Freezers_1", "-a", "a-", "a..b", ".a"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="a name of lower-case letters"):
        check_object_name(name)
    assert not is_object_name(name)


def test_a_name_may_be_too_long() -> None:
    with pytest.raises(ValueError, match="at most 5 characters"):
        check_object_name("freezers", length=5)
    assert not is_object_name("x" * 254)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a" * 64, "a.b"])
def test_a_namespace_that_cannot_be(name: str) -> None:
    assert check_namespace_name("fleet-1") == "fleet-1"
    with pytest.raises(ValueError, match="at most 63 lower-case letters"):
        check_namespace_name(name)
