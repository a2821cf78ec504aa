"""``kubectl thing watch``: what it shows of each change, as a table and as lines."""

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from tests.unit.inspection.objects import SHADOW, body, condition

from thing_operator.cli.output import Output
from thing_operator.cli.plugin import watching
from thing_operator.core.resource import ObjectKey
from thing_operator.inspection.following import Followed

NOW = datetime(2026, 11, 28, tzinfo=UTC)
BROKEN = condition("Ready", "False", "Expired")


def key(name: str) -> ObjectKey:
    return ObjectKey("plant", name)


async def changes() -> AsyncGenerator[Followed, None]:
    """Two Things, of which one breaks; a third comes and the first is deleted; then the API server is away."""
    followed = Followed({key(name): body(name=name, shadow=SHADOW) for name in ("a", "b")})
    yield followed
    followed.things[key("b")], followed.changed = body(BROKEN, name="b"), key("b")
    yield followed
    followed.things[key("c")], followed.changed = body(name="c"), key("c")
    yield followed
    del followed.things[key("a")]
    followed.changed = key("a")
    yield followed
    followed.trouble, followed.changed = "the API server cannot be reached", None
    yield followed


def drawn(picture: Any, *, rows: int) -> list[str]:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(picture.drawn(rows=rows, now=NOW))
    return captured.get().splitlines()


async def test_the_table_has_what_is_wrong_first_and_no_more_rows_than_fit() -> None:
    picture = watching._Picture(None, by_namespace=True)
    await picture.keep(changes())
    lines = drawn(picture, rows=9)
    assert lines[0] == "the API server cannot be reached"
    names = [line.split("│")[2].strip() for line in lines if line.startswith("│")]
    assert names == ["b", "c"]
    assert len([line for line in drawn(picture, rows=1) if line.startswith("│")]) == 1


async def test_of_one_thing_the_values_are_shown() -> None:
    picture = watching._Picture("a", by_namespace=False)
    assert "/setpoint" not in "".join(drawn(picture, rows=9)), "before the first answer"

    async def one() -> AsyncGenerator[Followed, None]:
        yield Followed({key("a"): body(name="a", spec={"desired": {"setpoint": -20}}, shadow=SHADOW)})

    await picture.keep(one())
    [row] = [line for line in drawn(picture, rows=9) if "/setpoint" in line]
    assert ("-20" in row, "-18" in row, "NotInShadow" in row) == (True, True, True)


@pytest.mark.parametrize("name", [None, "b"])
async def test_each_change_is_a_line(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    await watching._show_lines(changes(), name, Output.JSON)
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert [line["name"] for line in lines] == ["a", "b", "b", "c", "a"]
    assert [line.get("deleted", False) for line in lines] == [False] * 4 + [True]
    assert ("rows" in lines[0]) is (name is not None)
    assert shown.err == "the API server cannot be reached\n"


async def test_for_people_a_line_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    await watching._show_lines(changes(), None, Output.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "plant/b: Ready False (Expired), connected True, in sync True"
    assert lines[4] == "plant/a: deleted"


async def test_what_a_new_list_lacks_is_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    async def listed_again() -> AsyncGenerator[Followed, None]:
        yield Followed({key("a"): body(name="a"), key("b"): body(name="b")})
        yield Followed({key("b"): body(name="b")})

    await watching._show_lines(listed_again(), None, Output.JSON)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"namespace": "plant", "name": "a", "deleted": True}


def test_a_value_that_is_not_reported_is_a_dash() -> None:
    found = body(name="a", spec={"desired": {"mode": "auto", "setpoint": -18}}, shadow=SHADOW)
    words = watching._line(key("a"), found, "a", Output.TABLE)
    assert "/setpoint Same -18" in words
    assert "/mode" in words
    assert "null" not in words
