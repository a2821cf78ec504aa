"""``make simulate``: seeds by the hundred, on all cores."""

import sys

from tests.simulation.command import main

sys.exit(main())
