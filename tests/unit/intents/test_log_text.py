"""What stands in the text of a log, and how much fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.json_bytes import encode
from thing_operator.intents.intent import Intent
from thing_operator.intents.log_text import (
    INTENT_LIMIT,
    LOG_LIMIT,
    UnreadableLogError,
    fit,
    read_log,
    write_log,
)
from thing_operator.twin.managed_paths import ManagedPaths

_PATHS = st.lists(st.text(max_size=12).map("/{}".format), max_size=4).map(tuple)
_INTENTS = st.builds(
    Intent,
    namespace=st.sampled_from(["a", "team-b", "x" * 63]),
    generation=st.integers(1, 2**62),
    managed=st.builds(ManagedPaths, _PATHS, _PATHS),
    basis=st.just("0123456789abcdef"),
    accepted=st.none() | st.integers(1, 2**62),
)
_LOGS = st.dictionaries(st.uuids().map(str), _INTENTS, max_size=12)


def intent(*paths: str, namespace: str = "ns") -> Intent:
    return Intent.beside({}, ManagedPaths(paths), namespace=namespace, generation=1)


@given(_LOGS)
def test_what_is_written_is_read(intents: dict[str, Intent]) -> None:
    assert read_log(write_log(intents)) == intents


@given(_LOGS, _LOGS)
def test_what_is_kept_is_never_left_out(kept: dict[str, Intent], new: dict[str, Intent]) -> None:
    assert fit(kept, new).items() <= new.items()
    assert fit(kept, new) == new  # all are small


def test_paths_of_many_things_stand_once() -> None:
    text = write_log({f"uid-{number}": intent("/a-rather-long-name") for number in range(100)})
    assert text.count("a-rather-long-name") == 1


@given(st.integers(0, 200), st.sampled_from(["/ä", '/"', "/plain"]))
def test_a_log_is_never_larger_than_its_limit(seed: int, path: str) -> None:
    def large(number: int) -> Intent:
        return intent(*(f"{path}{seed}-{number}-{part}" for part in range(150)), namespace=f"n{number}")

    kept = fit({}, {f"uid-{number:032d}": large(number) for number in range(150)})
    new = fit(kept, {f"new-{number:032d}": large(1000 + number) for number in range(160)})
    assert 0 < len(new) < 160
    size = len(write_log(kept | new).encode())
    assert LOG_LIMIT * 0.8 < size <= LOG_LIMIT


def test_one_with_too_many_paths_is_left_out_and_a_small_one_behind_it_is_not() -> None:
    large = intent(*(f"/{number:08d}" for number in range(INTENT_LIMIT // 8)))
    assert list(fit({}, {"large": large, "small": intent("/a")})) == ["small"]


UNREADABLE = {
    "empty": ("", "no JSON"),
    "no object": ("[]", "form"),
    "newer": ('{"format": 2, "paths": {}}', "newer version"),
    "no things": ('{"format": 1, "paths": []}', "form"),
    "a place that is not there": (
        encode({"format": 1, "paths": [], "things": {"ns": {"u": [1, 0, 0, "b", None]}}}).decode(),
        "form",
    ),
    "a place before the first": (
        encode({"format": 1, "paths": [[]], "things": {"ns": {"u": [1, -1, 0, "b", None]}}}).decode(),
        "form",
    ),
}


@pytest.mark.parametrize(("text", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_said(text: str, why: str) -> None:
    with pytest.raises(UnreadableLogError, match=why):
        read_log(text)
