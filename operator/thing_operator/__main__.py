"""``python -m thing_operator``."""

from thing_operator.cli import main

main()
