"""How many requests of batches are under way at a time, and whose turn it is."""

import asyncio

import pytest

from thing_operator.batches.parallel import Parallel
from thing_operator.core.errors import TransientError, UserError


class LaterError(TransientError):
    """Of the API server, say."""


async def test_many_imports_have_no_more_requests_under_way_than_one() -> None:
    parallel, under_way, most = Parallel(), 0, 0
    done: list[str] = []

    async def ask(item: str) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1)
        under_way -= 1
        done.append(item)
        return item.upper()

    many = [parallel.for_each("a", [f"a{number}" for number in range(40)], ask) for _ in range(4)]
    found = await asyncio.gather(*many, parallel.for_each("b", ["b1", "b2"], ask))
    assert most == 8
    assert found[-1] == ["B1", "B2"]
    assert found[0] == [f"A{number}" for number in range(40)]
    assert done.index("b2") < 16, "the second group of a hundred and sixty has not waited for the first"


async def test_after_eight_errors_nothing_more_is_begun_and_what_a_person_must_mend_is_raised() -> None:
    begun = []

    async def fail(number: int) -> None:
        begun.append(number)
        raise UserError("mend it") if number == 5 else LaterError("later")

    with pytest.raises(UserError, match="mend it"):
        await Parallel().for_each("a", range(100), fail)
    assert begun == list(range(8))
