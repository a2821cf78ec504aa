"""``thing-operator probe``: what the documentation leaves open, asked of a real endpoint."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from thing_operator.cli.arguments import check_host
from thing_operator.cli.output import Output, emit
from thing_operator.cli.tables import in_cell, table_console, table_of
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.proxy.route import ProxyAddress, ProxyRoute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thing_operator.probe import ProbeAnswer


_Proxy = Annotated[
    str | None,
    typer.Option(
        envvar="THING_OPERATOR_SESSION__PROXY",
        help="socks5://, socks5h:// or http:// with host and port, as session.proxy",
    ),
]
_ProxyPasswordFile = Annotated[
    Path | None,
    typer.Option(
        envvar="THING_OPERATOR_SESSION__PROXY_PASSWORD_FILE",
        exists=True,
        dir_okay=False,
        help="with the password of the proxy's user",
    ),
]


def probe(
    endpoint: Annotated[str, typer.Option(help="host of the MQTT endpoint (App Board > Settings > About)")],
    thing: Annotated[str, typer.Option(help="name of the thing that asks")],
    certificate: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="its certificate, PEM")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="its private key, PEM")],
    ca: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM roots, instead of the system's")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="443 goes by ALPN")] = 8883,
    proxy: _Proxy = None,
    proxy_password_file: _ProxyPasswordFile = None,
    write: Annotated[
        bool, typer.Option("--write", help="also write one key of the thing's shadow, and remove it again")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="how to print the answers")] = Output.TABLE,
) -> None:
    """Ask a real endpoint what this project had to assume; read-only unless --write.

    It connects as the thing: another session of it, such as the operator's, is interrupted.

    Examples:
      thing-operator probe --endpoint "$BROKER" --thing 00001721 \\
          --certificate cert.pem --key privkey.pem
      thing-operator probe --endpoint "$BROKER" --thing 00001721 --write \\
          --certificate cert.pem --key privkey.pem
    """
    # Imported here: no other command should wait for an MQTT client.
    from thing_operator.probe import ProbeTarget  # noqa: PLC0415
    from thing_operator.probe import probe as ask  # noqa: PLC0415

    target = ProbeTarget(
        host=check_host("--endpoint", endpoint),
        port=port,
        thing=thing,
        certificate=certificate,
        private_key=key,
        ca=ca,
        proxy=_route(proxy, password_file=proxy_password_file),
    )
    with Console(stderr=True).status("asking"):
        answers = list(ask(target, write=write))
    if output is not Output.TABLE:
        emit([asdict(answer) for answer in answers], output)
        return
    _print_table(answers)


def _route(proxy: str | None, *, password_file: Path | None) -> ProxyRoute | None:
    if proxy is None:
        return None
    try:
        address = ProxyAddress.parse(proxy)
    except ValueError as error:
        raise ToolError(f"--proxy: {error}", reason=ToolReason.INVALID_ARGUMENTS) from None
    if address.user is not None and password_file is None:
        raise ToolError(
            "--proxy names a user: give a file with the password as --proxy-password-file",
            reason=ToolReason.INVALID_ARGUMENTS,
        )
    return ProxyRoute(address, password_file=password_file, setting="--proxy")


def _print_table(answers: "Sequence[ProbeAnswer]") -> None:
    """Questions and answers, and below them the pages they are about, each on a line of its own to be opened."""
    pages = list(dict.fromkeys(answer.source for answer in answers))
    console = table_console()
    table = table_of("question", "answer", "see")
    for answer in answers:
        table.add_row(
            Text(answer.question), in_cell(answer.found), Text(f"[{pages.index(answer.source) + 1}]")
        )
    console.print(table)
    for number, page in enumerate(pages, 1):
        console.print(Text(f"[{number}] {page}"), soft_wrap=True)
