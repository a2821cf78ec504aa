"""The rules of the Device Shadow service as one table: what is asked, what comes of it, who says so.

``source`` names the heading of docs/background/aws-iot-shadow.md that has the rule, and how it is known there
(documented, observed, Greengrass, assumed). The same rows are held against the pure service
(tests/unit/thing_operator_local/cloud), and over MQTT and REST against the running cloud (tests/integration/cloud).
"""

from typing import Final

from tests.support.shadow_rules.deleting import DELETING
from tests.support.shadow_rules.deltas import DELTAS
from tests.support.shadow_rules.merging import MERGING
from tests.support.shadow_rules.refusals import REFUSALS

RULES: Final = (*REFUSALS, *MERGING, *DELTAS, *DELETING)
