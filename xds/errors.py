"""The two kinds of error that are not ours: the operator's (`CatalogError`) and a client's (`PeerError`).

Anything else that is raised is a bug of xds. A NACK is data, not an error.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem weighs: an error keeps a catalog from being served, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake of the operator's: where it is, what it is, and how to mend it.

    `source` is the file's name as the operator gave it; `line` and `column` count from 1, and are 0 when the
    problem is the whole file's. `path` names the place in the catalog, as in `services.api.endpoints[2].weight`.
    """

    source: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """The line that a terminal, an editor and a CI log all understand: `file:line:column: error: what`."""
        position = f":{self.line}:{self.column}" if self.line else ""
        where = f"{self.path}: " if self.path else ""
        return f"{self.source}{position}: {self.severity}: {where}{self.message}"


class CatalogError(Exception):
    """A catalog that cannot be served; `problems` holds every mistake that was found, not the first alone."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class PeerError(Exception):
    """A client broke the protocol: its stream ends with `status` (a gRPC status name) and this message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
