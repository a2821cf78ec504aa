"""``python -m thing_operator_local.toolchain``: build what the demo runs.

``make demo`` starts it as soon as two small packages are installed, while the others are on their way: both take long,
and neither needs the other.
"""

import sys

from thing_operator_local.errors import LocalError
from thing_operator_local.toolchain.programs import locate_demo
from thing_operator_local.toolchain.reporter import LineReporter

if __name__ == "__main__":
    try:
        locate_demo(LineReporter(lambda line: print(line, file=sys.stderr, flush=True)))
    except LocalError as problem:
        sys.exit(f"error: {problem.message}")
