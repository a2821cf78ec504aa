"""``python -m thing_operator_local``: the stand-in's commands without the operator."""

from thing_operator_local.cli import main

if __name__ == "__main__":
    main()
