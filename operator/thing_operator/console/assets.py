"""Where the page's files are: in the wheel, or in a checkout where ``make console`` has put them."""

from pathlib import Path
from typing import Final

from thing_operator.console.bundle import WEB, built_folder
from thing_operator.core.errors import ToolError

_PACKAGED: Final = Path(__file__).with_name("assets")
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
INDEX: Final = "index.html"


def read_assets() -> dict[str, tuple[str, bytes]]:
    """Content type and content of each file by its name. Raises ToolError where the page was not built."""
    folder = _folder()
    return {
        file.name: (_TYPES[file.suffix], file.read_bytes())
        for file in sorted(folder.iterdir())
        if file.suffix in _TYPES
    }


def _folder() -> Path:
    if (_PACKAGED / INDEX).is_file():
        return _PACKAGED
    if not WEB.is_dir():
        raise ToolError(
            "this installation has no page for the console, as the operator's image has none: install the Python "
            "package thing-operator on a machine with Node.js"
        )
    folder = built_folder()
    if not (folder / INDEX).is_file():
        raise ToolError("the console's page is not built: make console, which needs Node.js 20 or newer")
    return folder
