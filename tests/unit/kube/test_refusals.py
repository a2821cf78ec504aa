"""What the API server's refusals become: whose fault it is, what to do, and nothing of a Secret's content."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.reasons import Reason
from thing_operator.kube.errors import (
    AdmissionError,
    ApiUnavailableError,
    DeniedObjectError,
    ForbiddenError,
    InitializingError,
    InvalidObjectError,
    NoNamespaceError,
    NotFoundError,
    ShardSelectorError,
    ThrottledError,
)
from thing_operator.kube.refusals import quotes, refusal

KEY = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n").decode()
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "thing-1"}, "data": {"tls.key": KEY}}


def refused(
    status: int, message: str | None, *, causes: Sequence[Mapping[str, str]] = (), sent: Any = SECRET
) -> ThingOperatorError:
    content = {"kind": "Status", "reason": "R", "details": {"causes": [*causes]}}
    if message is not None:
        content["message"] = message
    return refusal(status, encode(content), action="POST secrets", phrase="Phrase", sent=sent)


def test_a_403_to_who_only_reads_is_a_matter_of_rights_whatever_it_says() -> None:
    """Admission looks at writes alone; what stands before an API server has words of its own."""
    answer = encode({"kind": "Status", "message": "as the gateway says"})
    error = refusal(403, answer, action="GET secrets", phrase="Forbidden", sent=None)
    assert type(error) is ForbiddenError
    assert "as the gateway says" in str(error)


@pytest.mark.parametrize(
    ("status", "message", "kind", "reason", "remedy"),
    [
        (
            403,
            'secrets is forbidden: User "u" cannot create resource "secrets" in API group "" in the namespace "n"',
            ForbiddenError,
            Reason.FORBIDDEN,
            "have its Role or ClusterRole extended",
        ),
        (
            403,
            'forbidden: User "u" cannot get path "/metrics"',
            ForbiddenError,
            Reason.FORBIDDEN,
            "have its Role or ClusterRole extended",
        ),
        (
            403,
            'secrets "s" is forbidden: exceeded quota: q, requested: count/secrets=1, used: count/secrets=8',
            AdmissionError,
            Reason.API_SERVER_REFUSED,
            "quota, policy or webhook changed",
        ),
        (
            403,
            "secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            AdmissionError,
            Reason.API_SERVER_REFUSED,
            "quota, policy or webhook changed",
        ),
        (
            422,
            "secrets \"s\" is invalid: : ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            DeniedObjectError,
            Reason.API_SERVER_REFUSED,
            "quota, policy or webhook changed",
        ),
        (
            400,
            'admission webhook "w.example" denied the request: no',
            DeniedObjectError,
            Reason.API_SERVER_REFUSED,
            "quota, policy or webhook changed",
        ),
        (
            422,
            'Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set',
            InvalidObjectError,
            Reason.API_SERVER_REFUSED,
            "immutable",
        ),
    ],
)
def test_the_words_of_the_api_server_and_a_remedy_that_fits(
    status: int, message: str, kind: type[ThingOperatorError], reason: Reason, remedy: str
) -> None:
    error = refused(status, message)
    assert type(error) is kind
    assert error.reason is reason
    assert error.message.startswith(f"POST secrets: {status} {message}")
    assert remedy in error.message
    assert ("Role" in error.message) == (reason is Reason.FORBIDDEN)


@pytest.mark.parametrize("content", [b"<html>blocked</html>", b"[]", b'{"message": "no"}', b'"no"'])
def test_what_is_no_answer_of_the_api_servers_is_an_outage_with_no_words_of_it(content: bytes) -> None:
    for status in (400, 403, 404, 409, 422):
        error = refusal(status, content, action="POST secrets", phrase="No", sent=SECRET)
        assert type(error) is ApiUnavailableError
        assert error.message.startswith(
            f"POST secrets: {status} without a Status: that is not the API server's"
        )
    error = refusal(503, content, action="POST secrets", phrase="Unavailable", sent=SECRET)
    assert error.message == "POST secrets: 503 Unavailable"


def test_a_path_that_the_api_server_does_not_serve_is_not_found() -> None:
    error = refusal(404, b"404 page not found\n", action="GET things", phrase="Not Found", sent=None)
    assert type(error) is NotFoundError


def test_a_namespace_that_is_not_there_is_said_with_its_remedy() -> None:
    status = {"kind": "Status", "message": 'namespaces "plant" not found'}
    answer = encode(status | {"details": {"kind": "namespaces", "name": "plant"}})
    error = refusal(404, answer, action="PATCH secrets", phrase="Not Found", sent=SECRET)
    assert type(error) is NoNamespaceError
    assert error.message == "namespace plant does not exist: kubectl create namespace plant"
    read = refusal(404, answer, action="GET namespaces", phrase="Not Found", sent=None)
    assert type(read) is NotFoundError


def test_words_that_quote_the_content_give_way_to_reason_and_fields() -> None:
    causes = [{"field": "data[tls.key]", "message": f'Invalid value: "{KEY}"'}, {"message": "no field"}]
    error = refused(422, f'Secret "s" is invalid: data[tls.key]: Invalid value: "{KEY}"', causes=causes)
    assert error.message == "POST secrets: 422 R data[tls.key]"
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "add", "path": "/data", "value": [KEY]},
    ]
    assert refused(422, f"cannot take {KEY}", sent=patch).message == "POST secrets: 422 R"
    causes = [{"field": f"data[{KEY}]"}]
    assert refused(422, f"cannot take {KEY}", causes=causes).message == "POST secrets: 422 Phrase"


def test_what_a_policy_has_decoded_is_a_quotation_too() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\u00e9"
    sent = {"data": {"tls.key": base64.b64encode(key.encode("latin-1")).decode()}}
    said = "policy 'p' denied request: tls.key must not be "
    assert "MHcCAQ" not in refused(422, f"{said}{key}", sent=sent).message
    assert "BEGIN EC" in refused(422, f"{said}{key}", sent={"data": {"tls.key": "!"}}).message


def test_a_request_without_content_hides_nothing() -> None:
    uid = [{"op": "test", "path": "/metadata/uid", "value": "5f2c0f4e-0000"}]
    assert "5f2c0f4e-0000" in refused(422, "testing value 5f2c0f4e-0000 failed", sent=uid).message
    assert "thing-00000001" in refused(404, 'things "thing-00000001" not found', sent=None).message


@given(
    st.binary(min_size=6, max_size=400),
    st.text(max_size=40),
    st.text(max_size=40),
    st.integers(0, 500),
    st.integers(8, 60),
)
def test_no_piece_of_a_key_is_ever_quoted(
    content: bytes, before: str, after: str, start: int, size: int
) -> None:
    """Whole, cut off, or in the middle of other words."""
    key = base64.b64encode(content).decode()
    start = min(start, len(key) - 8)
    piece = key[start : start + size]
    sent = {"data": {"tls.key": key}}
    error = refused(422, f"{before}{piece}{after}", sent=sent)
    assert not quotes(error.message.removeprefix("POST secrets: 422 "), sent)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "Request entity too large: limit is 3145728"),
        (500, "etcdserver: request is too large"),
    ],
)
def test_an_object_that_is_too_large_is_refused_for_good(status: int, message: str) -> None:
    error = refused(status, message)
    assert type(error) is InvalidObjectError
    assert f"413 {message}" in error.message


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "storage is (re)initializing", InitializingError),
        (429, "too many requests", ThrottledError),
        (500, "invalid shard selector: end of range", ShardSelectorError),
        (500, "etcdserver: request timed out", ApiUnavailableError),
    ],
)
def test_what_has_a_status_of_its_own_in_words_alone(
    status: int, message: str, kind: type[ThingOperatorError]
) -> None:
    error = refused(status, message)
    assert type(error) is kind
    assert error.message == f"POST secrets: {status} {message}"
