"""Opening the link in a browser, unseen by others: the arguments of a program are shown to all users of a machine."""

import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from threading import Thread


@contextmanager
def browser_page(link: str) -> Iterator[str]:
    """The address of a file, only for this user to read, that leads to the link; it is deleted after the block."""
    with tempfile.TemporaryDirectory(prefix="thing-operator-") as folder:
        file = Path(folder, "console.html")
        file.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(link)}">'
            f'<title>thing-operator</title><a href="{escape(link)}">Console</a>',
            encoding="utf-8",
        )
        yield file.as_uri()


def open_browser(address: str) -> None:
    """Have the user's browser open it. One that runs in the terminal would hold everything up, hence the thread."""
    Thread(target=webbrowser.open, args=(address,), name="browser", daemon=True).start()
