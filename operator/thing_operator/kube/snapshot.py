"""What the operator keeps of a watched object between two events: the little it needs, not the body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ValidationError

from thing_operator.core.error_words import first_flaw
from thing_operator.core.errors import UserError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.json_values import DEPTH_LIMIT, is_deeper
from thing_operator.core.memory_budget import MemoryBudgetExceededError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.core.resource_versions import version_number
from thing_operator.kube.errors import ApiUnavailableError
from thing_operator.kube.outage import NOT_THE_API_SERVER

Spec = TypeVar("Spec", bound=BaseModel)

SPEC_LIMIT: Final = 64 * 1024
"""Bytes of a spec as JSON, beyond which it is not kept: eight times a shadow, and more than any template needs."""


class InvalidSpecError(UserError):
    """The spec does not fit the model: an object older than its CRD, or a CRD that is not ours."""

    reason = Reason.INVALID_SPEC


class SpecTooLargeError(InvalidSpecError):
    """The spec is not kept, since anybody who may create objects could fill the memory with such ones."""

    reason = Reason.SPEC_TOO_LARGE


def parent_of(body: Mapping[str, Any]) -> str:
    """What an object says in ``spec.parentRef``: the name of the one that it belongs to, empty for none."""
    spec = body.get("spec")
    reference = spec.get("parentRef") if isinstance(spec, dict) else None
    return str(reference.get("name") or "") if isinstance(reference, dict) else ""


@dataclass(frozen=True, slots=True)
class ObjectSnapshot:
    """One object as the watch showed it last.

    ``spec`` is JSON, which takes a fifth of the memory of its objects; parsed when a reconcile needs it.
    ``version`` is the resource version as a number, None for one that is none or does not count any more; it says
    which of two is the newer one, and not whether they differ. ``left_out``: bytes of a spec beyond SPEC_LIMIT, in
    whose place ``spec`` is empty, or of one that the memory budget has no room for, which ``shut_out`` says. One that
    is ``too_deep`` is not kept, either: nothing that walks it by recursion would come to its end.
    """

    key: ObjectKey
    uid: str
    generation: int
    created: str
    deleting_since: datetime | None
    finalizers: tuple[str, ...]
    spec: bytes
    parent: str = ""
    """The name of the object, of the same kind and namespace, that it belongs to; empty where it belongs to none."""
    version: int | None = field(default=None, compare=False)
    left_out: int = 0
    too_deep: bool = False
    shut_out: str = field(default="", compare=False)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """From the object as the API server sends it. ApiUnavailableError for what no API server sends."""
        try:
            return cls._read(body)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ApiUnavailableError(f"an object is none: {NOT_THE_API_SERVER}") from None

    @classmethod
    def _read(cls, body: Mapping[str, Any]) -> Self:
        meta = body["metadata"]
        deleted = meta.get("deletionTimestamp")
        too_deep = is_deeper(body.get("spec"))
        spec = b"" if too_deep else encode(body.get("spec") or {})
        is_kept = len(spec) <= SPEC_LIMIT
        return cls(
            key=ObjectKey.of(meta),
            uid=meta["uid"],
            generation=meta["generation"],
            created=meta["creationTimestamp"],
            deleting_since=datetime.fromisoformat(deleted) if deleted else None,
            finalizers=tuple(meta.get("finalizers", ())),
            spec=spec if is_kept else b"",
            parent=parent_of(body),
            version=version_number(meta["resourceVersion"]),
            left_out=0 if is_kept else len(spec),
            too_deep=too_deep,
        )

    def parse_spec(self, model: type[Spec]) -> Spec:
        """The spec as its kind's model; raises InvalidSpecError, which names the field, SpecTooLargeError, and
        MemoryBudgetExceededError.
        """
        if self.shut_out:
            raise MemoryBudgetExceededError(self.shut_out)
        if self.too_deep:
            raise InvalidSpecError(f"spec is nested deeper than {DEPTH_LIMIT} levels: make it flatter")
        if self.left_out:
            raise SpecTooLargeError(
                f"spec has {self.left_out} bytes as JSON, more than the {SPEC_LIMIT} that are read: make it smaller"
            )
        try:
            return model.model_validate(decode(self.spec))
        except ValidationError as error:
            flaw = first_flaw(error, under="spec")
            raise InvalidSpecError(f"{flaw}: correct it and apply again") from None

    @property
    def parent_key(self) -> ObjectKey | None:
        """The key of the object that it belongs to."""
        return ObjectKey(self.key.namespace, self.parent) if self.parent else None

    @property
    def created_at(self) -> datetime:
        """When the object was created: aware, in UTC."""
        return datetime.fromisoformat(self.created)

    @property
    def seniority(self) -> tuple[str, str]:
        """Sorts objects by age, ties by uid."""
        return (self.created, self.uid)
