"""MIC's Cloud API: manifest, login, refresh, batches, things (docs/background/mic.md#the-cloud-api)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from thing_operator.download.errors import UnansweredError, UrlNotAllowedError
from thing_operator.download.https import TRY_LATER, Answer, HttpsClient
from thing_operator.mic.errors import (
    MicLoginError,
    MicRefusedError,
    MicUnavailableError,
    OrderUnansweredError,
)
from thing_operator.mic.messages import (
    Account,
    BatchItem,
    BatchOrder,
    ThingItem,
    Tokens,
    batches_in,
    complaint_in,
    search_for_things,
    things_in,
    tokens_in,
)

_NOT_LET_IN = frozenset({401, 403})
_PAGE = 500
"""Things of one search: an answer of theirs has some 100 KiB."""
_SEARCH_LIMIT = 10_000
"""What a search shows with its pages (docs/background/mic.md#searches)."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a stack's API is, without a slash at the end, and the key that its gateway wants."""

    root: str
    api_key: str = field(repr=False)


async def find_stack(https: HttpsClient, *, manifest_url: str, host: str) -> Stack:
    """The API of the stack with this host name, as MIC's manifest has it.

    Raises MicRefusedError when there is no such stack, and the errors of ``HttpsClient.call``.
    """
    found = await _document(https, f"{manifest_url}?{urlencode({'hostname': host})}", what="manifest")
    root, name = found.get("ApiGatewayRootUrl"), found.get("StackName")
    if not isinstance(root, str) or not root:
        raise MicRefusedError(f"MIC knows no stack with the host {host}: App Board's address has it")
    root = root.rstrip("/")
    if isinstance(name, str) and name and not root.endswith(f"/{name}"):
        root = f"{root}/{name}"
    return await open_stack(https, api=root)


async def open_stack(https: HttpsClient, *, api: str) -> Stack:
    """The API at an address, with the key that its gateway wants.

    Raises MicUnavailableError when its metadata hold none, and the errors of ``HttpsClient.call``.
    """
    root = api.rstrip("/")
    found = await _document(https, f"{root}/metadata/manifest", what="metadata")
    key = found.get("ApiKey")
    if not isinstance(key, str) or not key:
        raise MicUnavailableError("MIC's metadata hold no API key")
    return Stack(root, key)


class MicClient:
    """One account's use of one stack. Logs in when it has to; tokens live in memory only."""

    def __init__(self, https: HttpsClient, *, stack: Stack, account: Account) -> None:
        self._https = https
        self._stack = stack
        self.account = account
        self._tokens: Tokens | None = None

    async def log_in(self) -> None:
        """Get tokens for user name and password. Raises MicLoginError when they are not accepted."""
        body = {"userName": self.account.user_name, "password": self.account.password}
        answer = await self._send("POST", "/auth/login", body)
        complaint = complaint_in(answer.body)
        if answer.status in _NOT_LET_IN or (
            complaint and complaint.key in {"INVALID_LOGIN", "USER_CONSENT_REQUIRED"}
        ):
            words = complaint.message if complaint else str(answer.status)
            raise MicLoginError(
                f"MIC does not let the account in ({words}): correct userName and password, or log in to App Board "
                "once and consent",
                message_key=complaint.key if complaint else None,
            )
        self._tokens = tokens_in(_checked(answer))

    async def order_batch(self, order: BatchOrder) -> str:
        """Have a batch made and return its id. Never repeat it: a second call makes a second batch.

        Raises OrderUnansweredError when the batch may have been ordered all the same; any other error means
        that it was not.
        """
        # 401 and 403 come from the gateway: nothing was ordered, and once more is no second order.
        answer = await self._let_in(lambda: self._send_order(order))
        if answer.status >= 500 or answer.status == 408:
            raise OrderUnansweredError(f"the order was sent, and MIC answers {answer.status}")
        body = _checked(answer)
        batch_id = body.get("batchId") if isinstance(body, Mapping) else None
        if not batch_id:
            raise OrderUnansweredError("the order was sent, and MIC's answer holds no batchId")
        return str(batch_id)

    async def batches(self) -> tuple[BatchItem, ...]:
        """The batches that the account may see: unfinished first, then the latest, at most 1,000."""
        return batches_in(_checked(await self._let_in(lambda: self._send("GET", "/thingbatches"))))

    async def find_things(self, *, thing_type: str | None, domain: str | None) -> tuple[ThingItem, ...]:
        """The things that the account may see, of a type and a domain where they are given, sorted by name.

        Raises MicRefusedError when there are more than a search shows.
        """
        found: dict[str, ThingItem] = {}
        start, total = 0, 1
        while start < total:
            if total > _SEARCH_LIMIT:
                raise MicRefusedError(
                    f"there are {total} things, and MIC's search shows {_SEARCH_LIMIT}: ask by thing type or domain"
                )
            body = search_for_things(start=start, size=_PAGE, thing_type=thing_type, domain=domain)
            answer = await self._let_in(lambda body=body: self._send("POST", "/things/find", body))  # type: ignore[misc]
            total, items = things_in(_checked(answer))
            found |= {item.name: item for item in items}
            start += _PAGE
        if len(found) < total:
            raise MicUnavailableError(
                f"MIC's search says that there are {total} things and shows {len(found)}: ask again"
            )
        return tuple(found[name] for name in sorted(found))

    async def _send_order(self, order: BatchOrder) -> Answer:
        try:
            return await self._send("POST", "/thingbatches", order.to_wire())
        except UnansweredError as error:
            raise OrderUnansweredError(f"the order was sent, and {error.message}") from None

    async def _let_in(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        """A request as the account; where it is not let in, once more with new tokens."""
        if self._tokens is None:
            await self.log_in()
        answer = await send()
        if answer.status in _NOT_LET_IN:
            await self._renew()
            answer = await send()
        return answer

    async def _renew(self) -> None:
        refresh = self._tokens.refresh if self._tokens else None
        self._tokens = None
        if refresh:
            answer = await self._send("POST", "/auth/refresh", {"refreshToken": refresh})
            if answer.status < 300 and complaint_in(answer.body) is None:
                self._tokens = tokens_in(answer.body)
                return
        await self.log_in()

    async def _send(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"x-api-key": self._stack.api_key}
        if self._tokens and not path.startswith("/auth/"):
            headers["Authorization"] = self._tokens.access
        return await self._https.call(method, self._stack.root + path, headers=headers, body=body)


async def _document(https: HttpsClient, url: str, *, what: str) -> Mapping[str, Any]:
    try:
        body = _checked(await https.call("GET", url))
    except UrlNotAllowedError as error:
        raise UrlNotAllowedError(f"MIC's {what}: {error.message}") from None
    if not isinstance(body, Mapping):
        raise MicUnavailableError(f"MIC's {what} is no JSON object")
    return body


def _checked(answer: Answer) -> Any:
    """The body of an answer that says yes. Raises MicRefusedError or MicUnavailableError."""
    complaint = complaint_in(answer.body)
    if answer.status >= 500 or answer.status in TRY_LATER:
        raise MicUnavailableError(
            f"MIC answers {answer.status}{f': {complaint.message}' if complaint else ''}"
        )
    if complaint or answer.status >= 300:
        words = complaint.message if complaint else "without a reason"
        raise MicRefusedError(
            f"MIC refuses ({answer.status}): {words}", message_key=complaint.key if complaint else None
        )
    if answer.body is None:
        raise MicUnavailableError("MIC's answer is no JSON")
    return answer.body
