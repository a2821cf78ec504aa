"""Every figure of tools/house.py goes up when its kind of fault is put into a small tree."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tools import house
from tools.house import Figure, House

REASONS = """
from enum import StrEnum

pytestmark = pytest.mark.repository

class Reason(StrEnum):
    ACCEPTED = "Accepted"
    WEAK_KEY = "WeakKey"
    UNKNOWN = "Unknown"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], House]:
    """Makes a repository of these files, by path, with the packages ``tiny`` and ``beside``, and an enum Reason."""

    def make(files: Mapping[str, str]) -> House:
        packages = {"operator/tiny/__init__.py": "", "operator/beside/__init__.py": ""}
        for path, text in {**packages, "operator/tiny/reasons.py": REASONS, **files}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        return House(tmp_path, product="tiny", others=("beside",))

    return make


Tree = Callable[[Mapping[str, str]], House]


def test_a_class_name_of_two_modules_is_a_homonym(tree: Tree) -> None:
    found = house.homonyms(
        tree({"operator/tiny/a.py": "class Target: ...\n", "operator/tiny/b.py": "\nclass Target: ...\n"})
    )
    assert found == Figure(1, ["Target: operator/tiny/a.py:1, operator/tiny/b.py:2"])


def test_the_package_beside_has_its_own_class_names(tree: Tree) -> None:
    shared = {"operator/tiny/a.py": "class Target: ...\n", "operator/beside/a.py": "class Target: ...\n"}
    assert house.homonyms(tree(shared)).value == 0
    twice = {"operator/beside/b.py": "class Target: ...\n"}
    assert house.homonyms(tree({**shared, **twice})).value == 1


@pytest.mark.parametrize(
    "text",
    [
        'fail(reason="Anything")',
        'reason = "Anything"',
        'self.reason = "Anything"',
        'class Failed(Exception):\n    reason: str = "Anything"',
        'def fail(text, reason="Anything"): ...',
        'def fail(*, text="x", reason="Anything"): ...',
        'words = {1: "WeakKey"}',
        'changes = {**others, "reason": "Anything"}',
    ],
)
def test_text_for_a_reason_is_found(tree: Tree, text: str) -> None:
    assert house.bare_reasons(tree({"operator/tiny/a.py": text})).value == 1


@pytest.mark.parametrize(
    "text",
    [
        "fail(reason=Reason.WEAK_KEY)",
        'fail(reason=f"{word}")',
        'fail(title="Anything")',
        'changes = {**others, "reason": word, "title": "Anything"}',
        'def fail(text="Anything", *, reason): ...',
        "from enum import StrEnum\nclass Kind(StrEnum):\n    WEAK_KEY = 'WeakKey'",
        "class Accepted: ...\ndef take(it: 'Accepted'): ...",
        "Status = Literal['True', 'Unknown']\nstatus = 'Unknown'",
    ],
)
def test_what_is_no_reason_is_not_counted(tree: Tree, text: str) -> None:
    assert house.bare_reasons(tree({"operator/tiny/a.py": text})) == Figure(0)


def test_words_of_the_package_beside_are_no_reasons(tree: Tree) -> None:
    assert house.bare_reasons(tree({"operator/beside/a.py": 'fail(reason="WeakKey")'})).value == 0


def test_an_enum_that_was_renamed_is_not_a_clean_house(tree: Tree) -> None:
    with pytest.raises(SystemExit, match="Reason"):
        house.bare_reasons(tree({"operator/tiny/reasons.py": REASONS.replace("Reason(", "Why(")}))


def test_modules_that_import_each_other_are_a_circle(tree: Tree) -> None:
    circle = {
        "operator/tiny/a.py": "from tiny import b\n",
        "operator/tiny/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tiny.c import C\n",
        "operator/tiny/c.py": "import tiny.a\nclass C: ...\n",
        "operator/tiny/d.py": "import tiny.a\n",
    }
    assert house.circles(tree(circle)) == Figure(1, ["tiny.a <-> tiny.b <-> tiny.c"])


def test_a_package_is_as_large_as_all_below_it(tree: Tree) -> None:
    files = {
        "operator/tiny/big/__init__.py": "\n" * 2,
        "operator/tiny/big/a.py": "\n" * 30,
        "operator/tiny/big/deeper/b.py": "\n" * 40,
        "operator/tiny/loose.py": "\n" * 50,
        "operator/beside/large/c.py": "\n" * 900,
    }
    assert house.package_size(tree(files)).value == 72
    assert house.package_size(tree(files)).places[0] == "tiny.big: 72"


def test_imports_count_once_for_each_module(tree: Tree) -> None:
    files = {
        "operator/tiny/a.py": "import json\nfrom tiny.b import one, two\nfrom tiny import c\n",
        "operator/tiny/b.py": "one = two = 1\n",
        "operator/tiny/c.py": "",
    }
    assert house.fan_out(tree(files)).value == 2
    assert house.fan_out(tree(files)).places[0] == "tiny.a: 2"


def test_the_largest_file_of_any_package_counts(tree: Tree) -> None:
    files = {"operator/beside/a.py": "\n" * 300, "operator/tiny/b.py": "\n" * 200}
    assert house.file_size(tree(files)).value == 300


def test_one_long_function_in_ten_does_not_count_and_two_do(tree: Tree) -> None:
    short = "".join(f"def f{number}():\n    return\n" for number in range(18))
    long = "".join(f"async def g{number}():\n" + "    print()\n" * 59 for number in range(2))
    assert house.function_length(tree({"operator/tiny/a.py": short + long})).value == 2
    assert house.longest_function(tree({"operator/beside/a.py": short + long})).value == 60
    more = {"operator/tiny/a.py": short + long + long}
    assert house.function_length(tree(more)).value == 60


@pytest.mark.parametrize(
    "page", ["README.md", "docs/deep/page.md", "charts/it/README.md", "deploy/README.md"]
)
def test_a_wide_line_of_prose_counts(tree: Tree, page: str) -> None:
    found = house.prose_width(tree({page: "x" * 120 + "\n" + "x" * 121 + "\n"}))
    assert found == Figure(1, [f"{page}:2: 121"])


def test_tables_and_code_may_be_wide(tree: Tree) -> None:
    wide = "x" * 200
    text = f"| {wide} |\n\n```yaml\n{wide}\n```\n\n  ```\n{wide}\n  ```\n"
    assert house.prose_width(tree({"README.md": text})) == Figure(0)
    assert house.prose_width(tree({"README.md": text + wide})).value == 1


def test_a_public_docstring_says_more_than_a_word(tree: Tree) -> None:
    run = '    def {}(self):\n        """Runs."""\n\n'
    text = (
        '"""A module of some length."""\n\n'
        'class Shown:\n    """It is."""\n\n'
        + run.format("run")
        + run.format("_run")
        + 'class _Hidden:\n    """It is."""\n\n'
        + run.format("run")
    )
    found = house.short_docstrings(tree({"operator/tiny/a.py": text}))
    assert found == Figure(2, ["operator/tiny/a.py:3: It is.", "operator/tiny/a.py:6: Runs."])


@pytest.mark.parametrize(
    "text",
    [
        "pause = min(limit, base * 2.0 ** failures)",
        "pause = 2 ** min(failures, 16)",
        "pause = min(limit, 2 * pause)",
        "pause = min(pause * 2, limit)",
    ],
)
def test_a_wait_that_grows_is_a_backoff(tree: Tree, text: str) -> None:
    assert house.backoffs(tree({"operator/tiny/a.py": text})) == Figure(1, ["operator/tiny/a.py:1"])
    assert house.backoffs(tree({"operator/tiny/a.py": "", "operator/beside/a.py": text})).value == 0


@pytest.mark.parametrize("text", ["size = 1024 ** 2", "share = digest / 2**64", "room = 2 * entries + spare"])
def test_other_arithmetic_is_no_backoff(tree: Tree, text: str) -> None:
    assert house.backoffs(tree({"operator/tiny/a.py": text})) == Figure(0)


def test_a_reference_that_leads_nowhere_counts(tree: Tree) -> None:
    text = '"""As the design section 3 says; see docs/page.md and docs/nowhere.md."""\n'
    found = house.citations(tree({"docs/page.md": "# Page\n", "tests/test_it.py": text}))
    assert found.places == [
        "tests/test_it.py:1: design section 3: nothing that is in the repository",
        "tests/test_it.py:1: docs/nowhere.md: no such page",
    ]


@pytest.fixture
def limited(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the house that the report is about: so many wide lines, where one is allowed."""

    def make(lines: int) -> None:
        rooms = tree({"README.md": f"{'x' * 121}\n" * lines})
        monkeypatch.setattr(house, "House", lambda: rooms)
        limit = house.Limit("wide lines", house.prose_width, at_most=1)
        monkeypatch.setattr(house, "LIMITS", (limit,))

    return make


@pytest.mark.parametrize(("lines", "options", "status"), [(1, (), 0), (2, (), 1), (2, ("--report",), 0)])
def test_a_broken_limit_ends_with_1(
    limited: Callable[[int], None], lines: int, options: tuple[str, ...], status: int
) -> None:
    limited(lines)
    assert house.main(list(options)) == status


def test_a_broken_limit_is_said_with_its_places(
    limited: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    limited(2)
    house.main([])
    out, err = capsys.readouterr()
    assert out.split() == ["wide", "lines", "2", "at", "most", "1"]
    assert err.splitlines()[1:] == [
        "wide lines: 2, but at most 1:",
        "  README.md:1: 121",
        "  README.md:2: 121",
    ]


def test_the_report_as_json_has_every_figure_and_how_it_is_counted() -> None:
    def run(*options: str) -> str:
        command = [sys.executable, "-m", "tools.house", *options]
        return subprocess.run(command, cwd=house.ROOT, check=True, capture_output=True, text=True).stdout

    report = json.loads(run("--report", "--json"))
    assert [entry["title"] for entry in report] == [limit.title for limit in house.LIMITS]
    help_text = run("--help")
    for limit in house.LIMITS:
        assert limit.title in help_text
        assert str(limit.figure.__doc__).splitlines()[0] in help_text
