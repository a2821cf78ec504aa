"""How many sessions the process may have, by what the system allows."""

import resource

import pytest

from thing_operator.core import descriptors


class System:
    """Soft and hard limit of a process; ``stubborn``: it refuses to raise the soft one."""

    def __init__(self, soft: int, hard: int, *, stubborn: bool = False) -> None:
        self.limits = (soft, hard)
        self.stubborn = stubborn

    def get(self, _what: int) -> tuple[int, int]:
        return self.limits

    def set(self, _what: int, limits: tuple[int, int]) -> None:
        if self.stubborn:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


def use(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", system.get)
    monkeypatch.setattr(resource, "setrlimit", system.set)


@pytest.mark.parametrize(
    ("system", "limit"),
    [
        (System(1024, 524_288), 524_288),
        (System(1024, 1024, stubborn=True), 1024),
        (System(256, resource.RLIM_INFINITY, stubborn=True), 256),
        (System(1024, resource.RLIM_INFINITY), None),
    ],
    ids=["raised", "as high as it goes", "the system refuses", "no limit"],
)
def test_all_that_the_system_allows_is_taken(
    system: System, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(system, monkeypatch)
    descriptors.raise_limit()
    assert descriptors.limit() == limit


@pytest.mark.parametrize(
    ("soft", "descriptor", "reserved"),
    [(1024, 879, False), (1024, 880, True), (100, 74, False), (100, 75, True)],
)
def test_a_few_are_kept_for_the_operator_itself(
    soft: int, descriptor: int, *, reserved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(System(soft, soft), monkeypatch)
    assert descriptors.is_reserved(descriptor) is reserved


def test_without_a_limit_nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    use(System(resource.RLIM_INFINITY, resource.RLIM_INFINITY), monkeypatch)
    assert not descriptors.is_reserved(1_000_000)
