"""``thing-operator console``: the page of this machine that shows Things, batches and replicas, live."""

import asyncio
from contextlib import ExitStack
from typing import Annotated

import typer

from thing_operator.cli.arguments import (
    Audience,
    Kubeconfig,
    KubeContext,
    Namespace,
    OperatorNamespace,
    ServiceAccount,
    namespace_or_all,
)

AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="the objects of all namespaces")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="of this machine; 0: any that is free")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="only say the link")]
NoBridge = Annotated[
    bool, typer.Option("--no-bridge", help="take lines of values from statuses, and ask for no token")
]


def console(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    port: Port = 0,
    no_browser: NoBrowser = False,
    no_bridge: NoBridge = False,
    service_account: ServiceAccount = "twin",
    operator_namespace: OperatorNamespace = "thing-operator",
    audience: Audience = "thing-operator-bridge",
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
) -> None:
    """Show Things, batches and replicas in a browser, live, until Ctrl-C. It reads with your rights and never writes.

    The page is served to this machine alone, and to whoever has its link. Where the operator has a bridge, a Thing's
    values come by it while its page is open, with the rights that "kubectl thing report" takes.

    Exit codes:
      0  it was ended by Ctrl-C
      1  it could not start

    Examples:
      thing-operator console --namespace plant
      thing-operator console --all-namespaces --no-browser --port 8001
    """
    place = namespace_or_all(
        namespace, all_namespaces=all_namespaces, kubeconfig=kubeconfig, kube_context=context
    )
    # Imported here: server and client take a second that no other command should wait for.
    from thing_operator.console.browser import browser_page, open_browser  # noqa: PLC0415
    from thing_operator.console.running import run_console  # noqa: PLC0415
    from thing_operator.reporting.bridge_connection import BridgeAccess  # noqa: PLC0415

    with ExitStack() as until_end:

        def show(link: str) -> None:
            _say_link(link, place)
            if not no_browser:
                open_browser(until_end.enter_context(browser_page(link)))

        asyncio.run(
            run_console(
                kubeconfig=kubeconfig,
                kube_context=context,
                namespace=place,
                port=port,
                bridge=None if no_bridge else BridgeAccess(service_account, audience, operator_namespace),
                on_open=show,
            )
        )


def _say_link(link: str, namespace: str | None) -> None:
    where = "all namespaces" if namespace is None else f"namespace {namespace}"
    typer.echo(f"The console of {where}, until Ctrl-C: {link}")
    typer.echo("Whoever has this link sees on this machine what your kubeconfig may see.")
