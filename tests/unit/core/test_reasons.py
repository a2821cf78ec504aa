"""The vocabulary is closed: what is raised, what is listed and what is written down are the same words."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import thing_operator
from thing_operator.core.errors import ThingOperatorError, ToolError, TransientError, UserError
from thing_operator.core.reason_table import Carrier, Explanation, explanations
from thing_operator.core.reasons import EventType, Reason, ToolReason
from thing_operator.session.errors import RejectedError, RetryableRejectedError, rejection

Error = TypeVar("Error", bound=Exception)

ROOT = Path(thing_operator.__file__).parent
REPOSITORY = ROOT.parents[1]
GIVEN_BY_WHO_RAISES = {ThingOperatorError, UserError, TransientError, RejectedError, RetryableRejectedError}


def every_class(root: type[Error]) -> set[type[Error]]:
    """The root and all that the package derives from it."""
    for module in pkgutil.walk_packages([str(ROOT)], "thing_operator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, ahead = set[type[Error]](), [root]
    while ahead:
        kind = ahead.pop()
        found.add(kind)
        ahead += kind.__subclasses__()
    return {kind for kind in found if kind.__module__.startswith("thing_operator.")}


def calls_of(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Where the package calls one of these, and the call."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_error_class_has_a_reason_of_the_table() -> None:
    kinds = every_class(ThingOperatorError)
    listed = {row.reason for row in explanations()}
    assert len(kinds) > 30
    assert {kind for kind in kinds if not hasattr(kind, "reason")} == GIVEN_BY_WHO_RAISES
    for kind in kinds - GIVEN_BY_WHO_RAISES:
        assert isinstance(kind.reason, Reason), kind
        assert kind.reason in listed, kind


def test_what_is_raised_without_a_class_of_its_own_names_its_reason() -> None:
    calls = list(calls_of("UserError", "TransientError", "ThingOperatorError"))
    assert calls
    assert [where for where, call in calls if "reason" not in {each.arg for each in call.keywords}] == []


def test_every_error_of_a_command_has_a_word_of_its_own_list() -> None:
    for kind in every_class(ToolError):
        assert isinstance(kind.reason, ToolReason), kind


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503])
def test_a_refusal_of_the_shadow_service_has_a_reason_of_a_thing(code: int) -> None:
    reason = rejection(code=code, message="no").reason
    assert reason in {row.reason for row in explanations() if Carrier.THING in row.carriers}


def test_the_table_has_a_row_for_every_reason_and_no_other() -> None:
    assert sorted(row.reason for row in explanations()) == sorted(Reason)


def test_every_reason_is_used_outside_the_vocabulary() -> None:
    used = {
        node.attr
        for file in ROOT.rglob("*.py")
        if file.name != "reasons.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert {reason.name for reason in Reason} - used == set()


@pytest.mark.parametrize("row", explanations(), ids=lambda row: row.reason)
def test_a_row_is_whole(row: Explanation) -> None:
    assert row.carriers
    assert (row.symptom is None) == (row.remedy is None)
    for text in (row.symptom, row.cause, row.remedy):
        assert text is None or re.fullmatch(r"[A-Z`4].*[.]", text), text
    if row.reason.event_type is EventType.WARNING:
        assert row.remedy, "a warning says what to do"


def test_a_word_that_is_no_reason_reads_as_unknown() -> None:
    assert Reason.of("KeyMissing") is Reason.KEY_MISSING
    assert Reason.of("OfAnotherVersion") is Reason.UNKNOWN


def test_alerts_match_on_reasons_that_there_are() -> None:
    pages = [*(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "charts").rglob("*.yaml")]
    matched = {
        word
        for page in pages
        for words in re.findall(r'reason!?=~?"([^"]+)"', page.read_text(encoding="utf-8"))
        for word in words.split("|")
    }
    assert matched
    assert matched <= set(Reason)
