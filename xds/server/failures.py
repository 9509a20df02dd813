"""Failures: the documents that met a bug in xds. They are tried again, and are no part of what is served."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from xds.sources.document import Document, digest_document, write_digest

FIRST_RETRY_S, MAX_RETRY_S = 1.0, 60.0
"""The wait before documents that failed are tried again: it doubles each time."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Documents as a source yielded them (None: deleted), and what the source said of its state then.

    `digest` is that of all its documents, `noticed_at` a time.monotonic_ns(), `read_at` a time.time().
    """

    documents: Mapping[str, Document | None]
    digest: str
    noticed_at: int
    read_at: float


class Failures:
    """The documents that failed. Times are time.monotonic()."""

    def __init__(self) -> None:
        self.digest = ""
        """The digest of the source when documents were applied last."""
        self._failed: dict[str, tuple[Document | None, str]] = {}
        self._told: dict[str, str] = {}
        self._wait = FIRST_RETRY_S
        self.due: float | None = None
        """When documents are to be tried again; None: there are none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the documents."""
        return tuple(sorted(self._failed))

    def add(self, name: str, document: Document | None, error: str) -> bool:
        """Note a document that failed; return whether this error of it is new."""
        is_new = self._told.get(name) != error
        self._failed[name] = document, error
        self._told[name] = error
        return is_new

    def take(self, now: float) -> dict[str, Document | None]:
        """Return the documents to try again, if it is time."""
        return {} if self.due is None or now < self.due else {name: one for name, (one, _) in self._failed.items()}

    def settle(self, applied: Collection[str], digest: str, now: float) -> None:
        """Note documents that were applied, and when to try again what is left."""
        self.digest = digest
        for name in applied:
            self._failed.pop(name, None)
            self._told.pop(name, None)
        if not self._failed:
            self.due, self._wait = None, FIRST_RETRY_S
        elif self.due is None or now >= self.due:
            self.due, self._wait = now + self._wait, min(2 * self._wait, MAX_RETRY_S)

    def correct(self, digest: str, get: Callable[[str], Document | None]) -> str:
        """Return the digest of what was taken: that of a source, with the documents before those that failed.

        `get` returns the document of a name that was taken last.
        """
        if not self._failed:
            return digest
        total = int(digest, 16)
        for name, (document, _) in self._failed.items():
            total += _digest(get(name)) - _digest(document)
        return write_digest(total)


def _digest(document: Document | None) -> int:
    if document is None:
        return 0
    try:
        return digest_document(document)
    except Exception:  # it is no document, which is a bug in the source
        return int.from_bytes(hashlib.sha256(repr(document).encode(), usedforsecurity=False).digest())
