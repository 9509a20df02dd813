"""Document: one file as a source yields it, before it is parsed."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of one file of a catalog, or the reason why it cannot be read.

    `name` is the path as the operator would write it. Exactly one of `content` and `fault` is not None. `fault` is for
    the operator and follows the name in a message: "is 200 MB: a catalog file may have 16 MB at most". A document that
    is `skipped` is no part of the catalog, and its fault is a warning: it looks as if it was meant to be one.
    """

    name: str
    content: bytes | None = None
    fault: str | None = None
    skipped: bool = False


def digest_document(document: Document) -> int:
    """Return a hash of 256 bits of a document's content or fault, whatever its name; 0 of a skipped one."""
    if document.skipped:
        return 0
    content = document.content if document.content is not None else f"fault {document.fault}".encode()
    return int.from_bytes(hashlib.sha256(content, usedforsecurity=False).digest())


def write_digest(digests: int) -> str:
    """Return the hash of a set of documents, in hexadecimal digits, from the sum of the documents' hashes."""
    return f"{digests % 2**256:064x}"
