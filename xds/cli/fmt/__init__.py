"""`xds fmt`: formats the files of a catalog. How a text is formatted is in `formatting.py`."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from xds.catalog.reading.fragment import parse_fragment
from xds.catalog.reading.syntax import decode
from xds.cli.options import catalog_path, output_option
from xds.cli.replacing import replace_file
from xds.errors import Problem, Severity
from xds.sources.document import Document
from xds.sources.files.read import read_stream
from xds.sources.files.watch import FileSource
from xds.wording import printable, write_json

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Formatted:
    """A file's text as it is and formatted, or the problems that keep it from being formatted."""

    name: str
    text: str
    new: str
    problems: tuple[Problem, ...] = ()


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option(
    "--catalog", "more", metavar="PATH", multiple=True, type=catalog_path, help="The same as an argument PATH."
)
@click.option("--check", is_flag=True, help="Change nothing: list the files that would change, and exit with 1 if any.")
@output_option("table", "json", words="Print a line for each file, or one JSON object.")
def command(paths: tuple[Path, ...], more: tuple[Path, ...], *, check: bool, output: str) -> None:
    """Format the YAML of a catalog. PATH is a file, a folder, or - to read standard input and write the result.

    Comments stay, and so does every value as it is written. Two spaces indent a mapping; a list or mapping in brackets
    stays in its line if it fits into 120 columns. A file with errors is left as it is. A file is replaced as a whole:
    a server that follows it never reads a half.

    \b
    Examples:
      xds fmt catalog/
      xds fmt --check catalog/         for a pipeline
      xds fmt - < catalog.yaml

    Exit codes: 0 ok, 1 with --check: a file would change, 2 a file has errors or the usage is wrong.
    """
    chosen = (*paths, *more)
    if not chosen:
        raise click.UsageError("Missing argument 'PATH...': a YAML file, a folder of YAML files, or - for input.")
    if Path(STDIN) in chosen:
        if len(chosen) > 1:
            raise click.UsageError("- stands alone: standard input is one file")
        _format_input(check=check)
    documents = {name: one for path in chosen for name, one in FileSource(path).read().items()}
    results = [format_document(document) for document in documents.values()]
    changed = [one for one in results if not one.problems and one.new != one.text]
    for one in changed if not check else ():
        replace_file(Path(one.name), one.new)
    problems = [problem for one in results for problem in one.problems]
    if output == "json":
        names = [one.name for one in changed]
        click.echo(
            write_json({"files": len(results), "changed": names, "problems": list(map(str, problems))}, indent=2)
        )
    else:
        for one in changed:
            click.echo(f"{'would format' if check else 'formatted'} {printable(one.name)}")
        for problem in problems:
            click.echo(problem, err=True)
        same = len(results) - len(changed) - sum(bool(one.problems) for one in results)
        click.echo(f"{same} {'file' if same == 1 else 'files'} in order")
    sys.exit(2 if problems else 1 if check and changed else 0)


def _format_input(*, check: bool) -> None:
    result = format_document(read_stream("<stdin>", sys.stdin.buffer))
    for problem in result.problems:
        click.echo(problem, err=True)
    if not check:
        click.echo(result.text if result.problems else result.new, nl=False)
    sys.exit(2 if result.problems else int(check and result.new != result.text))


def format_document(document: Document) -> Formatted:
    """Format one file."""
    # Imported here, since ruamel.yaml takes long to import, and a wrong usage does not need it.
    from xds.cli.fmt.formatting import FormatError, format_text

    text = "" if document.content is None else decode(document.content, document.name)
    errors = tuple(one for one in parse_fragment(document).problems if one.severity is Severity.ERROR)
    if errors or not isinstance(text, str):
        return Formatted(document.name, "", "", errors)
    try:
        return Formatted(document.name, text, format_text(text))
    except FormatError as error:
        return Formatted(document.name, text, text, (Problem(document.name, 1, 1, "", str(error)),))
