"""`xds check`: prints every mistake of a catalog in one run."""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.reading.fragment import POSITION
from xds.catalog.text.envoy_version import Version, read_oldest
from xds.cli.options import catalog_path, output_option
from xds.errors import CatalogError, Problem, Severity
from xds.sources.document import Document
from xds.sources.files.read import read_stream
from xds.sources.files.watch import FileSource
from xds.wording import write_json

STDIN = "<stdin>"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check: the problems, sorted by file and line, and the catalog (None: it has errors)."""

    problems: tuple[Problem, ...]
    catalog: Catalog | None
    files: int

    def count(self, severity: Severity) -> int:
        """Return the number of problems with a severity."""
        return sum(problem.severity is severity for problem in self.problems)

    def describe(self) -> dict[str, int]:
        """Return the numbers of the catalog's services, endpoints, gateways and files."""
        services = self.catalog.services if self.catalog else {}
        return {
            "services": len(services),
            "endpoints": sum(len(service.endpoints) for service in services.values()),
            "gateways": len(self.catalog.gateways) if self.catalog else 0,
            "files": self.files,
        }


class EnvoyVersionType(click.ParamType[Version]):
    """A version of Envoy, or the oldest of several: `1.37`, `>=1.37`."""

    name = "version"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Version:
        """Return the version's numbers."""
        try:
            return read_oldest(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option(
    "--catalog",
    "more",
    metavar="PATH",
    multiple=True,
    type=catalog_path,
    help="The same as an argument PATH, as in `xds serve --catalog PATH`.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option(
    "--envoy",
    "oldest",
    metavar="VERSION",
    type=EnvoyVersionType(),
    help="Warn of fields that this Envoy, such as 1.37, does not take. The default is the catalog's `mesh.envoy`.",
)
@output_option("table", "json", words="Print a line for each problem, or one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    more: tuple[Path, ...],
    *,
    strict: bool,
    oldest: Version | None,
    output: str,
) -> None:
    """Check a catalog. PATH is a file, a folder, or - for standard input; several are checked together as one catalog.

    Prints every problem with file:line:column, which editors understand. The exit code is 1 when there are errors.

    \b
    Examples:
      xds check catalog.yaml
      xds check --strict catalog/           fail on warnings too
      xds check --envoy 1.37 catalog/       warn of what Envoy 1.37 does not take
      xds check --output json catalog/      print JSON for other programs
      generate-catalog | xds check -
    """
    if not paths and not more:
        raise click.UsageError("Missing argument 'PATH...': a YAML file, a folder of YAML files, or - for input.")
    report = check(_read((*paths, *more)), strict=strict, oldest=oldest)
    click.echo(_format_json(report) if output == "json" else _format_lines(report))
    ctx.exit(1 if report.count(Severity.ERROR) else 0)


def check(documents: dict[str, Document], *, strict: bool = False, oldest: Version | None = None) -> Report:
    """Check documents, by name, together as one catalog. `strict` turns warnings into errors.

    `oldest` is the oldest Envoy of the mesh; None is what the catalog says.
    """
    catalog = None
    try:
        catalog = Workspace(oldest=oldest).update(documents)
        problems = catalog.problems
    except CatalogError as error:
        problems = error.problems
    if strict:
        problems = tuple(replace(problem, severity=Severity.ERROR) for problem in problems)
    return Report(tuple(sorted(problems, key=POSITION)), catalog, sum(not one.skipped for one in documents.values()))


def _read(paths: tuple[Path, ...]) -> dict[str, Document]:
    documents: dict[str, Document] = {}
    for path in paths:
        if str(path) == "-":
            documents[STDIN] = read_stream(STDIN, sys.stdin.buffer)
        else:
            documents |= FileSource(path).read()
    return documents


def _format_json(report: Report) -> str:
    return write_json(
        {
            "problems": [asdict(problem) for problem in report.problems],
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "catalog": report.describe() if report.catalog else None,
        },
        indent=2,
    )


def _format_lines(report: Report) -> str:
    lines = [_format_problem(problem) for problem in report.problems]
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    counts = [_count(errors, "error")] if errors else []
    counts += [_count(warnings, "warning")] if warnings else []
    if errors:
        lines.append(", ".join(counts))
    else:
        held = report.describe()
        what = ", ".join(_count(held[kind], kind[:-1]) for kind in ("services", "endpoints", "gateways") if held[kind])
        summary = f"ok: {what or 'nothing'} in {_count(held['files'], 'file')}"
        lines.append(click.style(", ".join([summary, *counts]), fg="green"))
    return "\n".join(lines)


def _format_problem(problem: Problem) -> str:
    """Return the problem's line with colours, which click removes when the output is no terminal."""
    color = "red" if problem.severity is Severity.ERROR else "yellow"
    before, _, after = str(problem).partition(f": {problem.severity}: ")
    return f"{click.style(before, bold=True)}: {click.style(problem.severity.value, fg=color)}: {after}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
