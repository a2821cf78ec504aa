"""What ``thing-operator adopt`` does: read what exists, look at each shadow, write Things to files. Nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from thing_operator.adopt.cluster import read_cluster, things_in_secrets
from thing_operator.adopt.deciding import combine, decide, is_to_look_at
from thing_operator.adopt.files import things_in_files
from thing_operator.adopt.model import Adoption, AdoptOptions, Cluster, FoundThing
from thing_operator.adopt.output import OutputFolders
from thing_operator.adopt.shadows import LookSettings, look_at_all
from thing_operator.adopt.stack import StackSource, things_in_stack
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.kube.client import KubeClient
from thing_operator.login.errors import LoginError

Progress = Callable[[int, int], None]
"""How many shadows have been looked at, of how many."""


@dataclass(frozen=True, slots=True)
class AdoptSources:
    """Where things are found: files and folders, MIC, the namespace's Secrets. What they know is put together.

    ``with_cluster``: the cluster is asked for the Things that it has, by ``kubeconfig`` and ``kube_context`` or as
    kubectl would.
    """

    files: tuple[Path, ...] = ()
    stack: StackSource | None = None
    secrets: bool = False
    with_cluster: bool = True
    kubeconfig: Path | None = None
    kube_context: str | None = None

    def check(self) -> None:
        """Raises ToolError when there is nothing to read, or when it is where nobody may ask."""
        if not (self.files or self.stack or self.secrets):
            raise ToolError(
                "name a SOURCE (MIC's zip, or a folder with a folder for each thing), --stack or --from-secrets",
                reason=ToolReason.INVALID_ARGUMENTS,
            )
        if self.secrets and not self.with_cluster:
            raise ToolError(
                "--from-secrets needs the cluster: leave out --no-cluster",
                reason=ToolReason.INVALID_ARGUMENTS,
            )


async def adopt(
    sources: AdoptSources,
    output: OutputFolders,
    *,
    look: LookSettings | None,
    options: AdoptOptions,
    progress: Progress,
) -> tuple[Adoption, ...]:
    """What became of each thing, by name; ``look`` None: no shadow is looked at.

    Raises ToolError, and what the sources raise: nothing is written then.
    """
    sources.check()
    output.check()
    found, cluster = await _find(sources, options.namespace)
    if not found:
        raise ToolError(
            f"no Secret of namespace {options.namespace} is a thing's: their names are thing-<thing name>, or the "
            "annotation thing-operator.io/thing-name says which thing one is for",
            reason=ToolReason.NO_USABLE_THING,
        )
    wanted = [one for one in found if is_to_look_at(one, cluster)]
    looked = 0

    def done() -> None:
        nonlocal looked
        looked += 1
        progress(looked, len(wanted))

    looks = await look_at_all(wanted, look, done=done) if look is not None else {}
    adoptions = decide(found, looks, cluster=cluster, options=options)
    output.write(adoptions)
    return adoptions


async def _find(sources: AdoptSources, namespace: str) -> tuple[tuple[FoundThing, ...], Cluster]:
    now = datetime.now(UTC)
    found: list[FoundThing] = []
    for path in sources.files:
        found += things_in_files(path, now=now)
    cluster = Cluster()
    if sources.with_cluster:
        client = await _connected(sources)
        try:
            cluster = await read_cluster(client, namespace)
            if sources.secrets:
                found += await things_in_secrets(client, namespace, now=now)
        finally:
            await client.close()
    if sources.stack is not None:
        found += await things_in_stack(sources.stack)
    return combine(found), cluster


async def _connected(sources: AdoptSources) -> KubeClient:
    try:
        return await KubeClient.connect(kubeconfig=sources.kubeconfig, kube_context=sources.kube_context)
    except LoginError as error:
        raise LoginError(f"{error.message}; without a cluster to ask, say --no-cluster") from None
