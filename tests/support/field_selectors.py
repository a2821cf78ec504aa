"""Which objects a ``fieldSelector`` picks, as an API server does."""

from collections.abc import Iterable, Mapping
from typing import Any


def selected(bodies: Iterable[dict[str, Any]], selector: str) -> list[dict[str, Any]]:
    """Those that have every field as the selector says; a field that is absent is empty."""
    return [body for body in bodies if all(_fits(body, term) for term in selector.split(","))]


def _fits(body: Mapping[str, Any], term: str) -> bool:
    path, _, value = term.partition("=")
    found: Any = body
    for name in path.removesuffix("!").split("."):
        found = (found or {}).get(name)
    return (str(found or "") == value) is not path.endswith("!")
