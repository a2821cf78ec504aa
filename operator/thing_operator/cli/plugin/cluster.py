"""The cluster that a command of ``kubectl thing`` asks, by kubectl's own options."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from thing_operator.cli.arguments import namespace_of, namespace_or_all
from thing_operator.cli.output import Output, refuse
from thing_operator.core.errors import ThingOperatorError, ToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thing_operator.kube.client import KubeClient

Found = TypeVar("Found")
_COMPLETION_SECONDS = 5.0
"""Who presses Tab does not wait longer for an API server."""


@dataclass(frozen=True, slots=True)
class ViewedCluster:
    """Where to ask, and in which form a refusal is said."""

    namespace: str | None
    kubeconfig: Path | None
    context: str | None
    output: Output = Output.TABLE
    all_namespaces: bool = False

    def ask(self, question: "Callable[[KubeClient, str | None], Awaitable[Found]]") -> Found:
        """The answer to a question about a namespace, None for all of them; exits with code 2 where there is none."""
        try:
            return asyncio.run(self._asked(question, self.place()))
        except (ThingOperatorError, ToolError) as error:
            refuse(error.message, reason=error.reason, output=self.output)

    def ask_here(self, question: "Callable[[KubeClient, str], Awaitable[Found]]") -> Found:
        """The same of a question that is about one namespace only."""

        async def about(client: "KubeClient", namespace: str | None) -> Found:
            assert namespace is not None  # noqa: S101 - --all-namespaces is no option of such a command
            return await question(client, namespace)

        return self.ask(about)

    def place(self) -> str | None:
        """The namespace that is asked about; None for all of them."""
        return namespace_or_all(
            self.namespace,
            all_namespaces=self.all_namespaces,
            kubeconfig=self.kubeconfig,
            kube_context=self.context,
        )

    async def _asked(
        self, question: "Callable[[KubeClient, str | None], Awaitable[Found]]", namespace: str | None
    ) -> Found:
        # Imported here: the client takes a second that --help and completion should not wait for.
        from thing_operator.inspection.reading import connected  # noqa: PLC0415

        async with connected(kubeconfig=self.kubeconfig, kube_context=self.context) as client:
            return await question(client, namespace)


def thing_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of Things that begin so, for completion; none where they cannot be read at once."""
    from thing_operator.inspection.reading import read_names  # noqa: PLC0415 - see ViewedCluster

    given: dict[str, Any] = ctx.params
    kubeconfig, context = given.get("kubeconfig"), given.get("context")
    try:
        place = namespace_of(given.get("namespace"), kubeconfig=kubeconfig, kube_context=context)
        names = read_names(place, kubeconfig=kubeconfig, kube_context=context)
        found = asyncio.run(asyncio.wait_for(names, _COMPLETION_SECONDS))
    except (ThingOperatorError, ToolError, OSError):
        return []
    return [each for each in found if each.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="of a Thing, or MIC's name of its thing", autocompletion=thing_names),
]
OptionalName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="of a Thing, or MIC's name of its thing", autocompletion=thing_names),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="the Things of all namespaces")]
Form = Annotated[Output, typer.Option("--output", "-o", help="form of the result")]
