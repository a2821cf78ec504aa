"""Reading a request as the shadow service does: every check before the document counts. Pure.

Codes and messages are those of docs/background/aws-iot-shadow.md#error-codes; the order of the checks is ours.
"""

from dataclasses import dataclass
from typing import Final

from thing_operator_local.cloud.json_text import Json, JsonObject, load

SECTIONS: Final = ("desired", "reported")

_TOKEN_BYTES: Final = 64


class ShadowError(Exception):
    """A refusal: what ``.../rejected`` or the REST answer says."""

    def __init__(self, code: int, message: str, *, client_token: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.client_token = client_token


@dataclass(frozen=True, slots=True)
class ParsedUpdate:
    """A well-formed update. ``state`` None stands for ``"state": null``."""

    state: JsonObject | None
    version: int | None
    client_token: str | None


def read_token(payload: bytes) -> str | None:
    """The clientToken of a get or delete; what is no token is ignored, be it JSON or not.

    Raises ShadowError for a token that is not to be.
    """
    try:
        body = _parse(payload)
    except ShadowError:
        return None
    return _read_client_token(body)


def token_of(payload: bytes) -> str | None:
    """The clientToken to answer with; None where it cannot be read."""
    try:
        return read_token(payload)
    except ShadowError:
        return None


def read_update(payload: bytes, *, max_depth: int) -> ParsedUpdate:
    """The update in a payload. Raises ShadowError (400, 415), with the token where there is one."""
    body = _parse(payload)
    token = _read_client_token(body)
    try:
        return ParsedUpdate(_read_state(body, max_depth=max_depth), _read_version(body), token)
    except ShadowError as error:
        error.client_token = token
        raise


def _parse(payload: bytes) -> JsonObject:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise ShadowError(415, "Unsupported documented encoding; supported encoding is UTF-8") from None
    try:
        body = load(text)
    except ValueError:
        raise ShadowError(400, "Invalid JSON") from None
    if not isinstance(body, dict):
        raise ShadowError(400, "Invalid JSON")
    return body


def _read_client_token(body: JsonObject) -> str | None:
    if "clientToken" not in body:
        return None
    token = body["clientToken"]
    if not isinstance(token, str) or len(token.encode("utf-8", "surrogatepass")) > _TOKEN_BYTES:
        raise ShadowError(400, "Invalid clientToken")
    return token


def _read_version(body: JsonObject) -> int | None:
    if "version" not in body:
        return None
    version = body["version"]
    if not isinstance(version, int) or isinstance(version, bool):
        raise ShadowError(400, "Invalid version")
    return version


def _read_state(body: JsonObject, *, max_depth: int) -> JsonObject | None:
    if "state" not in body:
        raise ShadowError(400, "Missing required node: state")
    state = body["state"]
    if state is None:
        return None
    if not isinstance(state, dict):
        raise ShadowError(400, "State node must be an object")
    for name, section in state.items():
        if name not in SECTIONS:
            raise ShadowError(400, f"State contains an invalid node: '{name}'")
        if section is not None and not isinstance(section, dict):
            raise ShadowError(400, f"{name.capitalize()} node must be an object")
        _check_nodes(section, depth=0, max_depth=max_depth)
    return state


def _check_nodes(value: Json, *, depth: int, max_depth: int, in_array: bool = False) -> None:
    """Depth counts keys below the section; arrays add none of their own (as Greengrass counts)."""
    if value is None and in_array:
        raise ShadowError(400, "Invalid JSON")
    if isinstance(value, dict):
        if value and depth >= max_depth:
            raise ShadowError(400, f"JSON contains too many levels of nesting; maximum is {max_depth}")
        for child in value.values():
            _check_nodes(child, depth=depth + 1, max_depth=max_depth)
    elif isinstance(value, list):
        for child in value:
            _check_nodes(child, depth=depth, max_depth=max_depth, in_array=True)
