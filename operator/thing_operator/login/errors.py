"""Why nobody can log in."""

from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason


class LoginError(ToolError):
    """There is nothing to log in with: no kubeconfig and no service account, or one that cannot be used."""

    reason = ToolReason.LOGIN_FAILED
