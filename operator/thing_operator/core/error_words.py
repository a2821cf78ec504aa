"""What an exception says to a person: in a log, a condition, a probe or on the command line.

Our own errors have a message. What a library or Python raises has a text for programmers: class names, tuples,
addresses of objects, and sometimes what was sent.
"""

import os
import re
import socket
import ssl
from typing import TYPE_CHECKING, Final

from thing_operator.core.errors import ThingOperatorError, ToolError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_PLAIN = re.compile(r"[A-Za-z][\w ,.:;/%+-]*")
"""A sentence, and nothing of Python in it: no brackets, no quotes, no equals sign."""


_OF_MODELS: Final = {
    "extra_forbidden": "there is no such field",
    "missing": "it is missing",
    "dict_type": "an object is expected",
    "model_type": "an object is expected",
    "list_type": "a list is expected",
    "tuple_type": "a list is expected",
    "string_type": "a text is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
}
"""By pydantic's type of an error: where its own words are Python's."""
_SHOULD: Final = re.compile(r"^(?:Input|String|Dictionary|List|Tuple|Value) should ")


def in_words(error: BaseException) -> str:
    """Why something failed, in one line; the remedy is up to the caller."""
    match error:
        case ThingOperatorError() | ToolError():
            return error.message
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLError():
            return _words_of_tls(error)
        case socket.gaierror():
            return "its name cannot be resolved"
        case OSError() if error.errno:
            # Not strerror, which is of whoever raised it: asyncio writes the address there, as a tuple.
            return os.strerror(error.errno)
        case LookupError() | TypeError() | AttributeError():
            return class_in_words(error)
    first_line = next(iter(str(error).splitlines()), "")
    return first_line if _PLAIN.fullmatch(first_line) else class_in_words(error)


def _words_of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    reason = getattr(error, "reason", None)  # only OpenSSL gives one
    return f"TLS failed ({reason.replace('_', ' ').lower()})" if reason else "TLS failed"


def words_of_flaw(flaw: "ErrorDetails") -> str:
    """What is wrong with a value that does not fit its model, but for where it is."""
    words = _OF_MODELS.get(flaw["type"], flaw["msg"]).removeprefix("Value error, ")
    return _SHOULD.sub("it must ", words)


def first_flaw(error: "ValidationError", *, under: str = "") -> str:
    """What is wrong first with what does not fit a model, by the name of its field, which is ``under`` another one."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, (under, *first["loc"]) if under else first["loc"]))
    return f"{place}: {words_of_flaw(first)}" if place else words_of_flaw(first)


def class_in_words(error: BaseException) -> str:
    """The kind of an error only, where its text may quote what nobody should read: "client payload error"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(error).__name__).lower()


def broken_message(error: Exception) -> str:
    """What an object says whose reconciles fail by a fault of ours; the error's own text may quote anything."""
    return (
        f"the operator fails at this object unexpectedly ({class_in_words(error)}) and tries it again: its log has the "
        "cause once; please report it"
    )
