"""Who a caller is and what the caller may do, as the API server is asked and as it answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thing_operator.api import names
from thing_operator.core.resource import ObjectKey, Resource

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")
SUBRESOURCE: Final = "bridge"
"""Of Things, which only Roles know: nothing is served under it."""
_SCHEME: Final = "bearer"
_ACCOUNT: Final = "system:serviceaccount:"
_LONGEST: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token is of, as the API server says."""

    name: str
    uid: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def tenant(self) -> str:
        """Who has limits together: the service accounts of a namespace, since it may have any number; else the name."""
        is_account = self.name.startswith(_ACCOUNT)
        return self.name.removeprefix(_ACCOUNT).partition(":")[0] if is_account else self.name


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; None when there is none."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    is_token = token.isascii() and token.isprintable() and " " not in token and 0 < len(token) <= _LONGEST
    return token if scheme.lower() == _SCHEME and is_token else None


def token_review(token: str, audience: str) -> dict[str, Any]:
    """The question whose a token is, if it is for this audience."""
    return _body(TOKEN_REVIEWS, {"token": token, "audiences": [audience]})


def caller_in(answer: Mapping[str, Any], audience: str) -> Caller | None:
    """Who it is by the API server's answer; None: nobody, or the token is for others.

    An answer without audiences is one of a server that knows none, and counts as no, as does one of any other form.
    """
    status = _object(answer.get("status"))
    user = _object(status.get("user"))
    if status.get("authenticated") is not True or audience not in _texts(status.get("audiences")):
        return None
    name, uid, extra = user.get("username"), user.get("uid"), _object(user.get("extra"))
    if not isinstance(name, str) or not name:
        return None
    return Caller(
        name=name,
        uid=uid if isinstance(uid, str) else "",
        groups=_texts(user.get("groups")),
        extra=tuple((key, _texts(values)) for key, values in sorted(extra.items())),
    )


def access_review(caller: Caller, key: ObjectKey, verb: str) -> dict[str, Any]:
    """The question whether a caller may do this with a Thing's bridge; without a name: with any of the namespace."""
    attributes = {
        "group": names.GROUP,
        "resource": names.THINGS.plural,
        "subresource": SUBRESOURCE,
        "namespace": key.namespace,
        "name": key.name,
        "verb": verb,
    }
    spec = {
        "user": caller.name,
        "uid": caller.uid,
        "groups": list(caller.groups),
        "extra": {name: list(values) for name, values in caller.extra},
        "resourceAttributes": attributes,
    }
    return _body(ACCESS_REVIEWS, spec)


def is_allowed(answer: Mapping[str, Any]) -> bool:
    """Whether the API server says yes, and nothing else."""
    return _object(answer.get("status")).get("allowed") is True


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _body(resource: Resource, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
