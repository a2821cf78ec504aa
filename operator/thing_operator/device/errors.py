"""What can be wrong with ``spec.device``."""

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason


class InvalidDeviceError(UserError):
    """``spec.device`` contradicts itself or MIC's conventions; the message names the path and the remedy."""

    reason = Reason.INVALID_DEVICE
