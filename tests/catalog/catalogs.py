"""Catalogs as tests write them, and their problems as tests compare them."""

from textwrap import dedent

from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.reading.fragment import Fragment, parse_fragment
from xds.errors import CatalogError, Problem
from xds.sources.document import Document


def make_document(text: str, name: str = "c.yaml") -> Document:
    """Make a document from an indented text."""
    return Document(name, dedent(text).encode())


def parse(text: str) -> Fragment:
    """Parse one file."""
    return parse_fragment(make_document(text))


def find_problems(text: str) -> list[str]:
    """Check one file alone. Return its problems as `line:column severity path: message`."""
    return [format_problem(problem) for problem in parse(text).problems]


def check_files(**files: str) -> list[str]:
    """Check several files together. The argument `a` is the file `a.yaml`."""
    documents = {f"{name}.yaml": make_document(text, f"{name}.yaml") for name, text in files.items()}
    try:
        return [str(problem) for problem in Workspace().update(documents).problems]
    except CatalogError as error:
        return [str(problem) for problem in error.problems]


def build(text: str) -> Catalog:
    """Build the catalog of one file that has no errors."""
    return Workspace().update({"c.yaml": make_document(text)})


def format_problem(problem: Problem) -> str:
    """Return a problem's text without its file."""
    return f"{problem.line}:{problem.column} {problem.severity} {problem.path}: {problem.message}"
