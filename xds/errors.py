"""The two kinds of error that are not bugs of xds: the operator's (CatalogError) and a client's (PeerError).

A layer may add its own class for the operator's errors, such as ListenError. Any other exception is a bug. A NACK is
data, not an exception.
"""

from dataclasses import dataclass
from enum import StrEnum

from xds.wording import printable


class Severity(StrEnum):
    """The severity of a problem. A file with an error is not served; a file with warnings is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in the catalog: where it is, what it is, and how to correct it.

    `source` is the file's name as the operator gave it. `line` and `column` count from 1; they are 0 when the problem
    concerns the whole file. `path` is the field in the catalog, such as `services.api.endpoints[2].weight`.
    """

    source: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """Return `file:line:column: error: path: message`, a form that terminals, editors and CI logs recognize."""
        position = f":{self.line}:{self.column}" if self.line else ""
        where = f"{self.path}: " if self.path else ""
        return printable(f"{self.source}{position}: {self.severity}: {where}{self.message}")


class CatalogError(Exception):
    """The catalog cannot be served. `problems` are all mistakes that were found, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class PeerError(Exception):
    """A client broke the protocol. Its stream ends with `status` (the name of a gRPC status) and the message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
