"""What an exception says to a person."""

import errno
import json
import re
import socket
import ssl
from pathlib import Path
from typing import Annotated, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thing_operator.core.error_words import first_flaw, in_words
from thing_operator.core.errors import ToolError, TransientError


def caught(action: object, *arguments: object) -> Exception:
    assert callable(action)
    try:
        action(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError("it did not fail")


def of_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1000)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ToolError("set KUBECONFIG"), "set KUBECONFIG"),
        (TransientError("the broker is away"), "the broker is away"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "no answer in time"),
        (
            OSError(
                errno.ECONNREFUSED, "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0)"
            ),
            "Connection refused",
        ),
        (caught(Path("/absent").read_bytes), "No such file or directory"),
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved"),
        (OSError("Multiple exceptions: [Errno 111] ('::1', 1)"), "os error"),
        (of_tls("WRONG_VERSION_NUMBER"), "TLS failed (wrong version number)"),
        (ssl.SSLError(), "TLS failed"),
        (ValueError("No closing quotation\nat line 7"), "No closing quotation"),
        (ValueError(), "value error"),
        (ValueError("<TransferEncodingError: 400, message='x'>"), "value error"),
        (RuntimeError("Cannot connect: ConnectionKey(host='127.0.0.1', port=1)"), "runtime error"),
        (KeyError("metadata"), "key error"),
        (TypeError("f() takes 1 positional argument but 2 were given"), "type error"),
        (caught(json.loads, "{"), "json decode error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_exception_in_words(error: Exception, words: str) -> None:
    assert in_words(error) == words


def test_of_a_certificate_that_is_not_trusted_it_says_why() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1000)")
    error.verify_message = "unable to get local issuer certificate"
    assert in_words(error) == "unable to get local issuer certificate"


@given(st.text())
def test_whatever_it_says_it_is_one_line_without_pythons_forms(text: str) -> None:
    assert re.fullmatch(r"[^<>()\[\]{}='\"\n]+", in_words(RuntimeError(text)))


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: Annotated[int, Field(ge=1)] = 1
    name: str = "x"


class Outer(BaseModel):
    inner: Inner = Inner()
    many: list[int] = []

    @model_validator(mode="after")
    def has_one(self) -> Self:
        if self.many == [0]:
            raise ValueError("many: one of them must not be 0")
        return self


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"inner": {"count": "1"}}, "spec.inner.count: a whole number is expected"),
        ({"inner": {"count": 0}}, "spec.inner.count: it must be greater than or equal to 1"),
        ({"inner": {"name": 1}}, "spec.inner.name: a text is expected"),
        ({"inner": {"colour": "y"}}, "spec.inner.colour: there is no such field"),
        ({"inner": 1}, "spec.inner: an object is expected"),
        ({"many": {}}, "spec.many: a list is expected"),
        ({"many": [0]}, "spec: many: one of them must not be 0"),
    ],
)
def test_what_does_not_fit_a_model_is_said_without_a_word_of_python(value: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    assert first_flaw(caught.value, under="spec") == words
    assert first_flaw(caught.value) == words.removeprefix("spec: ").removeprefix("spec.")
