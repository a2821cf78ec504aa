"""The commands of the stand-in (``cloud``, ``cluster``, ``demo``): another package, loaded when one is asked for.

The container image has the operator alone. Its command line still knows the names and says what to install.
"""

from importlib.util import find_spec
from typing import Any, Final, NoReturn

import typer
from typer.main import get_command

from thing_operator.cli.help_text import PresentableGroup
from thing_operator.cli.probe import probe
from thing_operator.core.errors import ToolError

_PACKAGE: Final = "thing_operator_local"
_NAMES: Final = ("cloud", "cluster", "demo")
_ANY_ARGUMENTS: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


class GroupWithLocal(PresentableGroup):
    """The root of the command line, with the stand-in's commands beside the operator's own."""

    _expected: tuple[type[Exception], ...] = ()
    """What the stand-in raises to be shown as one line; known once it is loaded."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order of ``--help``."""
        return [*super().list_commands(ctx), *_NAMES]

    def find_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name, the stand-in's too."""
        if cmd_name not in _NAMES:
            return super().find_command(ctx, cmd_name)
        if find_spec(_PACKAGE) is None:
            return _missing(cmd_name)
        from thing_operator_local.cli import app  # noqa: PLC0415
        from thing_operator_local.errors import LocalError  # noqa: PLC0415

        self._expected = (LocalError,)
        loaded: Any = get_command(app)
        command = loaded.commands[cmd_name]
        if cmd_name == "cloud":
            command.add_command(_hidden_probe())
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises ToolError for what a person has to see."""
        try:
            return super().invoke(ctx)
        except self._expected as error:
            raise ToolError(str(error)) from None


def _hidden_probe() -> Any:
    """``cloud probe``, as ``probe`` was called when it was a part of the stand-in."""
    alias = typer.Typer()
    alias.command("probe", hidden=True)(probe)
    return get_command(alias)


def _missing(name: str) -> Any:
    placeholder = typer.Typer(add_completion=False)

    @placeholder.command(name, context_settings=_ANY_ARGUMENTS, short_help="Not part of this installation.")
    def say_what_to_install() -> NoReturn:
        raise ToolError(
            f"{name} needs the local stand-in, which the operator's image leaves out: install the Python package "
            "thing-operator on your machine (pip install, of its wheel or of a checkout)"
        )

    return get_command(placeholder)
