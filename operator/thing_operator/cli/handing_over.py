"""What ``batch import`` has the API server hold: source Secrets, and the ThingBatch that names them."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thing_operator.api import names
from thing_operator.controller.kube import BATCHES, SECRETS, KubeClient, ObjectKey
from thing_operator.controller.kube_errors import NotFoundError
from thing_operator.errors import UserError

KEY = "batch.zip"
SOURCE_OF = f"{names.GROUP}/source-of"
"""On a source Secret: the ThingBatch it was made for. Another's is not overwritten."""


@dataclass(frozen=True, slots=True)
class Part:
    """One source Secret to be."""

    name: str
    content: bytes = field(repr=False)


async def hand_over(
    parts: Sequence[Part],
    batch: ObjectKey,
    *,
    more: Mapping[str, Any],
    kubeconfig: Path | None,
    done: Callable[[], None],
) -> list[str]:
    """Secrets first, the ThingBatch last: the operator never sees a part of it. Returns the Secrets written."""
    client = await KubeClient.connect(kubeconfig=kubeconfig)
    sent = []
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
    finally:
        await client.close()
    return sent


async def _is_to_send(client: KubeClient, batch: ObjectKey, part: Part) -> bool:
    """Raises UserError when there is a Secret of that name that was not made for this ThingBatch."""
    try:
        found = await client.get(SECRETS, ObjectKey(batch.namespace, part.name))
    except NotFoundError:
        return True
    annotations = found["metadata"].get("annotations") or {}
    if annotations.get(SOURCE_OF) != batch.name:
        raise UserError(
            f"Secret {part.name} is there and was not made by batch import for {batch.name}: choose another --name"
        )
    return base64.b64decode((found.get("data") or {}).get(KEY, "")) != part.content


def _secret(batch: ObjectKey, part: Part) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": part.name,
            "namespace": batch.namespace,
            "annotations": {SOURCE_OF: batch.name},
        },
        "data": {KEY: base64.b64encode(part.content).decode()},
    }
