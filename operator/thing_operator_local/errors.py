"""What can go wrong here, for the person who started it: a message that says what is wrong and what to do."""


class LocalError(Exception):
    """A program, a port, a folder or a file on this machine is missing or broken.

    ``message`` names it and the remedy, and never holds a key, a token or PEM text. The command line shows it as
    one line and ends with code 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
