"""``thing-operator batch``: the group put together of its commands."""

from thing_operator.cli.batch import app
from thing_operator.cli.batch_create import HELP as CREATE_HELP
from thing_operator.cli.batch_create import create
from thing_operator.cli.batch_import import HELP as IMPORT_HELP
from thing_operator.cli.batch_import import import_batch

__all__ = ["app"]

app.command("import", help=IMPORT_HELP)(import_batch)
app.command(help=CREATE_HELP)(create)
