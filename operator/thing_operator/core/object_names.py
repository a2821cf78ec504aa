"""What the API server takes as the name of an object, and of a namespace."""

import re

OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
OBJECT_NAME_LENGTH = 253
NO_OBJECT_NAME = (
    "a name of lower-case letters, digits, - and . is expected, with a letter or digit at both ends"
)
NO_NAMESPACE_NAME = "a name of at most 63 lower-case letters, digits and - is expected"

_NAMESPACE_PATTERN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def is_object_name(value: str) -> bool:
    """Whether the API server takes it for the name of an object."""
    return len(value) <= OBJECT_NAME_LENGTH and re.fullmatch(OBJECT_NAME_PATTERN, value) is not None


def check_object_name(value: str, *, length: int = OBJECT_NAME_LENGTH) -> str:
    """The name, at most ``length`` characters of it; raises ValueError for what is none."""
    if not re.fullmatch(OBJECT_NAME_PATTERN, value):
        raise ValueError(NO_OBJECT_NAME)
    if len(value) > length:
        raise ValueError(f"a name of at most {length} characters is expected")
    return value


def check_namespace_name(value: str) -> str:
    """The name of a namespace; raises ValueError for what is none."""
    if not re.fullmatch(_NAMESPACE_PATTERN, value):
        raise ValueError(NO_NAMESPACE_NAME)
    return value
