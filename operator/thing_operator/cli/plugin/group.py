"""The commands of ``kubectl thing``, put together; they are also ``thing-operator thing``."""

from thing_operator.cli.plugin.command import app
from thing_operator.cli.plugin.reporting import report
from thing_operator.cli.plugin.watching import watch
from thing_operator.cli.shards import shards

__all__ = ["app"]

app.command()(report)
app.command()(watch)
app.command(help=(shards.__doc__ or "").replace("thing-operator shards", "kubectl thing shards"))(shards)
