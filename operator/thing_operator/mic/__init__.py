"""Client of MIC's Cloud API: signing in, ordering batches, following them."""

from thing_operator.mic.client import MicClient, Stack, find_stack, open_stack
from thing_operator.mic.errors import (
    MicLoginError,
    MicRefusedError,
    MicUnavailableError,
    OrderUnansweredError,
)
from thing_operator.mic.messages import Account, BatchItem, BatchOrder, BatchState

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
    "find_stack",
    "open_stack",
]
