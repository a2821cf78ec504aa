"""Client of MIC's Cloud API: signing in, ordering batches, following them, finding things."""

from thing_operator.mic.client import MicClient, Stack, find_stack, open_stack
from thing_operator.mic.errors import (
    MicLoginError,
    MicRefusedError,
    MicUnavailableError,
    OrderUnansweredError,
)
from thing_operator.mic.messages import Account, BatchItem, BatchOrder, BatchState, ThingItem

__all__ = [
    "Account",
    "BatchItem",
    "BatchOrder",
    "BatchState",
    "MicClient",
    "MicLoginError",
    "MicRefusedError",
    "MicUnavailableError",
    "OrderUnansweredError",
    "Stack",
    "ThingItem",
    "find_stack",
    "open_stack",
]
