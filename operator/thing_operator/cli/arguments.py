"""What several commands ask of their arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from thing_operator.core.errors import ToolError
from thing_operator.core.host_names import check_host_name
from thing_operator.core.object_names import check_namespace_name, check_object_name
from thing_operator.core.reasons import ToolReason

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="instead of the namespace of the kubeconfig's context")
]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="instead of KUBECONFIG or ~/.kube/config")
]
KubeContext = Annotated[
    str | None, typer.Option("--context", help="a context of the kubeconfig, instead of its current one")
]
ServiceAccount = Annotated[
    str, typer.Option("--service-account", help="of the Thing's namespace, as which to speak to the bridge")
]
OperatorNamespace = Annotated[str, typer.Option("--operator-namespace", help="where the operator's pods are")]
Audience = Annotated[str, typer.Option("--audience", help="the operator's setting bridge.audience")]


def check_host(option: str, value: str) -> str:
    """The host name that ``option`` was given. Raises ToolError for a URL, and for a host with its port."""
    return _checked(check_host_name, option, value)


def check_name(option: str, value: str, *, length: int) -> str:
    """The name of an object that ``option`` was given. Raises ToolError for what the API server would refuse."""
    return _checked(lambda name: check_object_name(name, length=length), option, value)


def namespace_of(given: str | None, *, kubeconfig: Path | None, kube_context: str | None) -> str:
    """The namespace that was named, or else the context's, as for kubectl. Raises ToolError, and LoginError."""
    if given is not None:
        return _checked(check_namespace_name, "--namespace", given)
    # Imported here: the client takes a second that no other command should wait for.
    from thing_operator.login.login import current_namespace  # noqa: PLC0415

    return current_namespace(kubeconfig, kube_context=kube_context)


def namespace_or_all(
    given: str | None, *, all_namespaces: bool, kubeconfig: Path | None, kube_context: str | None
) -> str | None:
    """The namespace that is asked about, None for all of them. Raises as :func:`namespace_of`, and for both at once."""
    if all_namespaces and given:
        message = "--all-namespaces does not go with --namespace: leave it out"
        raise ToolError(message, reason=ToolReason.INVALID_ARGUMENTS)
    return None if all_namespaces else namespace_of(given, kubeconfig=kubeconfig, kube_context=kube_context)


def _checked(check: Callable[[str], str], option: str, value: str) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise ToolError(f"{option} {value}: {error}", reason=ToolReason.INVALID_ARGUMENTS) from None
