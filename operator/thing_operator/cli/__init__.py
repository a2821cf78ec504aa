"""The command line, thing-operator; ``main`` has all of it, ``plugin`` what kubectl offers as ``kubectl thing``."""
