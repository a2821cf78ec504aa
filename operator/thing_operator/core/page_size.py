"""How many objects a page of a list is to have, so that it fits into so many bytes. Pure.

The API server counts objects, and one may have 1.5 MB: five hundred such would be three quarters of a gigabyte.
"""

from typing import Final

PAGE_BYTES: Final = 4 * 1024 * 1024
"""Of one page: a thousand Things as they usually are."""

MOST_OBJECTS: Final = 500
_STEP_DOWN = 8
_STEP_UP = 2


class PageSize:
    """Begins with ``most`` objects; a page that is too large is asked for once more with fewer of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.objects = most

    @property
    def limit(self) -> int | None:
        """Bytes that the page may have; None for any, where it has one object only: there is no smaller page."""
        return PAGE_BYTES if self.objects > 1 else None

    def was_too_large(self) -> None:
        """The page had more bytes than its limit."""
        self.objects = max(1, self.objects // _STEP_DOWN)

    def was_read(self) -> None:
        """The page was within its limit, and the next one may have more objects again."""
        self.objects = min(self._most, self.objects * _STEP_UP)
