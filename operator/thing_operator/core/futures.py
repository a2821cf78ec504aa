"""One way to answer whoever waits on a future."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def resolve_future(future: "asyncio.Future[Any]", outcome: object = None) -> None:
    """Give a future its result, or its error when ``outcome`` is an exception; nothing when it is done already.

    Who waited may have given up meanwhile (cancelled, out of time), or have been answered by the connection's end.
    """
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
