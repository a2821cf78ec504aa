"""What a host name is, everywhere that a person names one: settings, specs, the command line."""

import re

HOST_NAME_PATTERN = (
    r"^[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*$"
)
HOST_NAME_LENGTH = 253
NO_HOST_NAME = "a host name without scheme and port is expected"


def check_host_name(value: str) -> str:
    """The name as it is. Raises ValueError for a URL, for host and port, and for a placeholder such as ``<host>``."""
    if len(value) > HOST_NAME_LENGTH or not re.fullmatch(HOST_NAME_PATTERN, value):
        raise ValueError(NO_HOST_NAME)
    return value
