"""``python -m thing_operator``."""

from thing_operator.cli.main import main

main()
