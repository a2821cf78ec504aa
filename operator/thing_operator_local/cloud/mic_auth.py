"""Who may call the MIC API: the gateway's key, and tokens that are good for a time.

Source: docs/background/mic.md#signing-in.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from thing_operator_local.cloud.seeded_random import SeededRandom

_REFRESH_SECONDS: Final = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class MicAccount:
    """The one user of the stack."""

    api_key: str = field(repr=False)
    user_name: str
    password: str = field(repr=False)
    token_seconds: float


class MicAuth:
    """Issues and checks tokens; a restart forgets them all, and clients log in again.

    ``clock_ms`` gives epoch milliseconds.
    """

    def __init__(self, account: MicAccount, *, random: SeededRandom, clock_ms: Callable[[], int]) -> None:
        self._account = account
        self._access = _Tokens(account.token_seconds, random, clock_ms)
        self._refresh = _Tokens(_REFRESH_SECONDS, random, clock_ms)

    def may_log_in(self, user_name: str, password: str) -> bool:
        """Whether these are the account's."""
        return user_name == self._account.user_name and _same(password, self._account.password)

    def may_refresh(self, refresh_token: str) -> bool:
        """Whether a login gave this refresh token, not too long ago."""
        return self._refresh.is_valid(refresh_token)

    def issue(self) -> dict[str, str]:
        """A new pair of tokens, with the names that MIC gives them."""
        return {"token": self._access.issue(), "refreshToken": self._refresh.issue()}

    def gateway_refuses(self, request: web.Request, *, logged_in: bool) -> web.Response | None:
        """The gateway's answer to a request without valid key or token, which has a message and no more.

        ``logged_in``: a token is needed, bare or as ``Bearer``. None when the request may pass.
        """
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        has_key = _same(request.headers.get("x-api-key", ""), self._account.api_key)
        if has_key and (not logged_in or self._access.is_valid(token)):
            return None
        if has_key and self._access.is_known(token):
            return _gateway_answer("The incoming token has expired", status=401)
        return _gateway_answer("Forbidden", status=403)


def unknown_path() -> web.Response:
    """What the gateway says of a path or a method that the API does not have."""
    return _gateway_answer("Missing Authentication Token", status=403)


class _Tokens:
    def __init__(self, seconds: float, random: SeededRandom, clock_ms: Callable[[], int]) -> None:
        self._random = random
        self._life = seconds * 1000
        self._clock_ms = clock_ms
        self._until: dict[str, float] = {}

    def issue(self) -> str:
        now = self._clock_ms()
        # Expired ones are remembered as long again: the gateway tells them from those it never saw.
        self._until = {token: until for token, until in self._until.items() if until > now - self._life}
        token = self._random.text("token", 48)
        self._until[token] = now + self._life
        return token

    def is_valid(self, token: str) -> bool:
        return self._until.get(token, 0) > self._clock_ms()

    def is_known(self, token: str) -> bool:
        """Valid or lately expired."""
        return token in self._until


def _same(given: str, right: str) -> bool:
    # What is given may hold lone surrogates: of header bytes that are no text, or of escapes in JSON.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), right.encode())


def _gateway_answer(message: str, *, status: int) -> web.Response:
    return web.json_response({"message": message}, status=status)
