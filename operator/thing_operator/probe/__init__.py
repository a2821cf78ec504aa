"""Questions to a real endpoint: what AWS's documentation leaves open and this project had to assume."""

from thing_operator.probe.connection import ProbeTarget
from thing_operator.probe.questions import ProbeAnswer, probe

__all__ = ["ProbeAnswer", "ProbeTarget", "probe"]
