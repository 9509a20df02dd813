"""A document: what a source yields, before anyone has looked inside."""

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
