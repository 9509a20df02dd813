"""A document: what a source yields, before anyone has looked inside."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of one file of a catalog, or the reason why they could not be read.

    `name` is the path as the operator would write it. Exactly one of `content` and `fault` is not None;
    `fault` is a sentence for the operator ("is 200 MB: a catalog file may have 16 MB at most").
    """

    name: str
    content: bytes | None = None
    fault: str | None = None


def digest_document(document: Document) -> int:
    """Give a hash, of 256 bits, of what a document has to say, whatever its name is."""
    said = document.content if document.content is not None else f"fault {document.fault}".encode()
    return int.from_bytes(hashlib.sha256(said, usedforsecurity=False).digest())
