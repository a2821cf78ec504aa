"""``kubectl thing report``: a value in a thing's name, by the bridge."""

from typing import Annotated

import typer

from thing_operator.cli.arguments import (
    Audience,
    Kubeconfig,
    KubeContext,
    Namespace,
    OperatorNamespace,
    ServiceAccount,
    check_name,
)
from thing_operator.cli.output import Output, emit
from thing_operator.cli.plugin.cluster import Form, ViewedCluster, thing_names
from thing_operator.core.object_names import OBJECT_NAME_LENGTH

ThingName = Annotated[str, typer.Argument(metavar="NAME", help="of a Thing", autocompletion=thing_names)]
Values = Annotated[
    list[str], typer.Argument(metavar="KEY=VALUE", help="value: JSON, or else text; key: or a JSON Pointer")
]


def report(
    name: ThingName,
    values: Values,
    service_account: ServiceAccount = "twin",
    operator_namespace: OperatorNamespace = "thing-operator",
    audience: Audience = "thing-operator-bridge",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Report values for a thing, as its program does by the bridge: through a pod's port, with a token for ten minutes.

    It takes the rights to list pods and to create pods/portforward where the operator is, and to create
    serviceaccounts/token for the service account, which must have the right to update things/bridge.

    Exit codes:
      0  the shadow service has accepted the report
      2  it was refused, or there is no bridge

    Examples:
      kubectl thing report freezer-1 temperature=4.5 door=open
      kubectl thing report freezer-1 /limits/max=8 --service-account twin --namespace plant
    """
    from thing_operator.core.resource import ObjectKey  # noqa: PLC0415 - see ViewedCluster
    from thing_operator.reporting.bridge_connection import BridgeAccess  # noqa: PLC0415
    from thing_operator.reporting.reporting import report as send  # noqa: PLC0415
    from thing_operator.reporting.values import reported_of  # noqa: PLC0415

    version = ViewedCluster(namespace, kubeconfig, context, output).ask_here(
        lambda client, place: send(
            client,
            ObjectKey(place, check_name("NAME", name, length=OBJECT_NAME_LENGTH)),
            reported_of(values),
            access=BridgeAccess(
                check_name("--service-account", service_account, length=OBJECT_NAME_LENGTH),
                audience,
                operator_namespace,
            ),
        )
    )
    if output is not Output.TABLE:
        emit({"version": version}, output)
    else:
        typer.echo(f"accepted: version {version} of the shadow has it")
