"""What ``batch import`` has the API server hold: source Secrets, and the ThingBatch that names them.

A source Secret has the digest of its zip in its name: an import that replaces another puts new ones beside the old
ones, and the ThingBatch goes over to them in one step. With the same names the operator would see new parts beside
old ones for a moment, and a thing that is just between two of them would be pruned.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from thing_operator.api import names
from thing_operator.api.names import BATCHES
from thing_operator.batches.children import batch_label
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient, Body
from thing_operator.kube.resources import SECRETS

KEY = "batch.zip"
SOURCE_LABEL = f"{names.GROUP}/source-of"
"""On a source Secret: the ThingBatch it was made for. Another's is not overwritten."""

_DIGEST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One source Secret to be."""

    name: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, batch_name: str, number: int, content: bytes) -> Self:
        """``<batch>-zip-<number>-<digest>``; the parts are counted from 1."""
        digest = hashlib.sha256(content).hexdigest()[:_DIGEST_DIGITS]
        return cls(f"{batch_name}-zip-{number}-{digest}", content)


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The names of the Secrets that were written, and of those that were deleted since an earlier import left them."""

    sent: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


async def upload(
    parts: Sequence[SourcePart],
    batch: ObjectKey,
    *,
    more: Mapping[str, Any],
    kubeconfig: Path | None,
    kube_context: str | None,
    done: Callable[[], None],
) -> UploadResult:
    """Secrets first, then the ThingBatch; at last what it does not name any more goes, since it holds keys."""
    client = await KubeClient.connect(kubeconfig=kubeconfig, kube_context=kube_context)
    sent: list[str] = []
    try:
        for part in parts:
            if await _is_to_send(client, batch, part):
                await client.apply(SECRETS, ObjectKey(batch.namespace, part.name), _secret(batch, part))
                sent.append(part.name)
            done()
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.BATCH_KIND,
            "metadata": {"name": batch.name, "namespace": batch.namespace},
            "spec": {"source": {"secrets": [{"name": part.name, "key": KEY} for part in parts]}, **more},
        }
        await client.apply(BATCHES, batch, body)
        removed = await _remove_others(client, batch, keep={part.name for part in parts})
    finally:
        await client.close()
    return UploadResult(tuple(sent), tuple(removed))


async def _remove_others(client: ApiClient, batch: ObjectKey, *, keep: set[str]) -> list[str]:
    """The source Secrets of earlier imports, interrupted ones included."""
    found = await client.list(
        SECRETS,
        namespace=batch.namespace,
        label_selector=f"{SOURCE_LABEL}={batch_label(batch.name)}",
        metadata_only=True,
    )
    others = [meta for body in found if (meta := body["metadata"])["name"] not in keep]
    for meta in others:
        await client.delete(SECRETS, ObjectKey(batch.namespace, meta["name"]), uid=meta["uid"])
    return [meta["name"] for meta in others]


async def _is_to_send(client: ApiClient, batch: ObjectKey, part: SourcePart) -> bool:
    """Raises ToolError when there is a Secret of that name that was not made for this ThingBatch."""
    try:
        found = await client.get(SECRETS, ObjectKey(batch.namespace, part.name))
    except NotFoundError:
        return True
    labels = found["metadata"].get("labels") or {}
    if labels.get(SOURCE_LABEL) != batch_label(batch.name):
        raise ToolError(
            f"Secret {part.name} is there and was not made by batch import for {batch.name}: choose another --name",
            reason=ToolReason.NAME_TAKEN,
        )
    return base64.b64decode((found.get("data") or {}).get(KEY, "")) != part.content


def _secret(batch: ObjectKey, part: SourcePart) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": part.name,
            "namespace": batch.namespace,
            "labels": {SOURCE_LABEL: batch_label(batch.name)},
        },
        "data": {KEY: base64.b64encode(part.content).decode()},
    }
