"""Words of others as they may be shown: on a terminal, in a condition, in an Event."""


def printable(text: str) -> str:
    """The text with a backslash and a code in the place of what would not be seen, or would do something: control
    characters, line breaks, and what turns the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
