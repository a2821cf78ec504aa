"""What several commands ask of their arguments."""

from thing_operator.core.errors import ToolError
from thing_operator.core.host_names import check_host_name
from thing_operator.core.reasons import ToolReason


def check_host(option: str, value: str) -> str:
    """The host name that ``option`` was given. Raises ToolError for a URL, and for a host with its port."""
    try:
        return check_host_name(value)
    except ValueError as error:
        raise ToolError(f"{option} {value}: {error}", reason=ToolReason.INVALID_ARGUMENTS) from None
