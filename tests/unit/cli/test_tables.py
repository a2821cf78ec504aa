"""Tables: what is in them is shown whole."""

import pytest
from rich.console import Console

from thing_operator.cli.tables import LOG_WIDTH, table_console, table_of


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
