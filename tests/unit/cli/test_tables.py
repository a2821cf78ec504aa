"""Tables: what is in them is shown whole."""

import pytest
from rich.console import Console

from thing_operator.cli.tables import LOG_WIDTH, FittingTable, table_console, table_of


def test_a_word_that_does_not_fit_is_wrapped_and_not_cut_off() -> None:
    word = "00000001~thing_operator~" * 10
    table = table_of("name", "answer")
    table.add_row("who", word)
    console = Console(width=60)
    with console.capture() as captured:
        console.print(table)
    shown = captured.get()
    assert "…" not in shown
    cells = (line.split("│")[2].strip() for line in shown.splitlines() if line.count("│") == 3)
    assert "".join(cells) == word


def test_a_log_has_wide_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert table_console().width == LOG_WIDTH


@pytest.mark.parametrize(
    ("width", "titles", "said"),
    [
        (200, ["name", "ready", "since"], ""),
        (32, ["name", "ready", "since"], ""),
        (31, ["name", "ready"], "too wide for this terminal: since"),
        (10, ["name"], "too wide for this terminal: ready, since"),
    ],
)
def test_columns_that_a_terminal_has_no_room_for_are_left_out_and_named(
    width: int, titles: list[str], said: str
) -> None:
    table = FittingTable("name", "ready", "since", kept=1)
    table.add_row("freezer-0001", "True", "2m")
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    shown = captured.get().splitlines()
    assert [each.strip() for each in shown[1].strip("┃").split("┃")] == titles
    end = next(number for number, line in enumerate(shown) if line.startswith("└"))
    assert " ".join(line.strip() for line in shown[end + 1 :]) == said


def test_one_long_name_is_broken_before_columns_are_left_out() -> None:
    name = "freezer-" * 8
    table = FittingTable("name", "ready", "since", kept=1)
    table.add_row(name, "True", "2m")
    console = Console(width=60)
    with console.capture() as captured:
        console.print(table)
    shown = captured.get()
    assert "since" in shown
    assert "".join(line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")) == name
