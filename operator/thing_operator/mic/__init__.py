"""Client of MIC's Cloud API, and downloads of what it makes: https to hosts that the configuration allows."""

from thing_operator.mic.client import MicClient, Stack, find_stack, open_stack
from thing_operator.mic.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    MicError,
    MicLoginError,
    MicRefusedError,
    MicUnavailableError,
    OrderUnansweredError,
    UnansweredError,
    UnreachableError,
    UrlExpiredError,
    UrlNotAllowedError,
)
from thing_operator.mic.https import HttpsClient
from thing_operator.mic.messages import Account, BatchItem, BatchOrder, BatchState

__all__ = [
    "Account",
    "BatchItem",
    "BatchOrder",
    "BatchState",
    "DownloadFailedError",
    "DownloadRefusedError",
    "HttpsClient",
    "MicClient",
    "MicError",
    "MicLoginError",
    "MicRefusedError",
    "MicUnavailableError",
    "OrderUnansweredError",
    "Stack",
    "UnansweredError",
    "UnreachableError",
    "UrlExpiredError",
    "UrlNotAllowedError",
    "find_stack",
    "open_stack",
]
