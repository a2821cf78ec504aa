"""Which shadow document is current, from messages that may be late, doubled, lost or out of order. Pure.

Within one connection versions order documents. ``documents`` brings the whole document and is preferred;
``accepted`` is applied where it fits exactly; whatever does not fit asks for a ``get``, which is the truth.
"""

from dataclasses import dataclass

from thing_operator.shadow.documents import EMPTY_DOCUMENT, Accepted, ShadowDocument


@dataclass(slots=True)
class DocumentTracker:
    """The shadow document as one connection has seen it; a new connection begins with a new tracker."""

    document: ShadowDocument | None = None
    """None until something was seen; EMPTY_DOCUMENT when there is no shadow."""
    must_read: bool = False
    """Something did not fit: the shadow has to be read (``get``)."""
    _deleted_version: int | None = None
    _asked_at: int = 0
    _deleted_since_asked: bool = False

    def on_documents(self, current: ShadowDocument) -> None:
        """``update/documents``: the document after an update, by anybody."""
        known = self.document
        if self._deleted_version is not None and current.version <= self._deleted_version:
            # Late word of the deleted shadow, or a new shadow that counts from 1 again.
            self.must_read = True
        elif known is None or current.version >= known.version:
            self._deleted_version = None
            # ``accepted`` has mostly said the same already: the same object means that nothing has changed.
            if current != known:
                self.document = current
        elif current.timestamp > known.timestamp:
            # Lower but newer: the shadow was deleted and made again without a message to us.
            self.must_read = True

    def on_accepted(self, accepted: Accepted) -> None:
        """``update/accepted``: the fields of an update, by anybody."""
        known = self.document
        if known is None or accepted.version <= known.version:
            return
        if accepted.version == known.version + 1 and self._deleted_version is None:
            self.document = known.after(accepted)
        else:
            self.must_read = True

    def on_deleted(self, version: int) -> None:
        """``delete/accepted``: by anybody; ``version`` is that of the deleted document."""
        if self.document is not None and version < self.document.version:
            # Late word, or a count we do not understand.
            self.must_read = True
            return
        self.document = EMPTY_DOCUMENT
        self._deleted_version = version
        self._deleted_since_asked = True

    def asking(self) -> None:
        """A ``get`` is about to be sent: its answer knows all that we know now."""
        self.must_read = False
        self._asked_at = self._version
        self._deleted_since_asked = False

    def on_read(self, document: ShadowDocument) -> None:
        """Our ``get`` was answered; EMPTY_DOCUMENT for a 404. Older than what came meanwhile: not taken."""
        if document.version < self._version and self._version != self._asked_at:
            return
        if self._deleted_since_asked and 0 < document.version <= (self._deleted_version or 0):
            # Read before the deletion that we know of, answered after it.
            self.must_read = True
            return
        self.document = document
        if document.version > 0:
            self._deleted_version = None

    @property
    def _version(self) -> int:
        return self.document.version if self.document is not None else 0
