"""What ``run`` says of itself at its start: which version, of which cluster, for whom, and by which broker. Pure."""

from thing_operator import __version__
from thing_operator.config import Settings
from thing_operator.config.listening import ListenSettings
from thing_operator.core.words import counted

NO_BROKER = (
    "no broker: endpoint.host is not set, so a Thing connects only if its spec.endpoint.host names one"
)


def where_lines(settings: Settings, *, server: str, origin: str) -> tuple[str, str]:
    """The first two lines, which need no answer of the API server; ``origin`` is where the login was read from."""
    namespaces = settings.namespaces
    whose = f"namespaces {', '.join(namespaces)}" if namespaces else "all namespaces"
    endpoint = settings.endpoint
    broker = f"broker {endpoint.host}:{endpoint.port}" if endpoint.host else "no broker"
    bridge = f", bridge {_port(settings.bridge)}" if settings.bridge.port else ""
    return (
        f"thing-operator {__version__}: cluster {server} ({origin}), {whose}",
        f"{broker}; health checks {_port(settings.health)}, metrics {_port(settings.metrics)}{bridge}",
    )


def found_line(*, things: int, batches: int) -> str:
    """The third line, once all is listed."""
    return f"{counted(things, 'Thing')} and {counted(batches, 'ThingBatch', 'ThingBatches')} found; changes are watched"


def _port(listen: ListenSettings) -> str:
    if listen.port == 0:
        return "off"
    return f"on port {listen.port}" + (f" of {listen.address}" if listen.address else "")
