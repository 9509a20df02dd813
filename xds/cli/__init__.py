"""The `xds` command. Each subcommand is in its own module, which is imported only when the subcommand is called.

An import that only some calls need, and that takes long, stands in the function that needs it, with the reason. How the
process starts and ends is in `xds/entry.py`.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

from xds import __version__
from xds.entry import begin_command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Subcommand(NamedTuple):
    """A subcommand: the module that has it as `command`, and its line in the help, which needs no import."""

    module: str
    summary: str


COMMANDS = {
    "apply": Subcommand("xds.cli.apply", "Show and confirm removals that the server holds."),
    "bootstrap": Subcommand("xds.cli.bootstrap", "Print the file that an Envoy starts from."),
    "check": Subcommand("xds.cli.check", "Find every mistake of a catalog in one run."),
    "demo": Subcommand("xds.cli.demo", "Play a mesh on this machine: no container, no root."),
    "diff": Subcommand("xds.cli.diff", "Compare what a catalog would serve with what is served now."),
    "docs": Subcommand("xds.cli.docs", "Explain the fields of the catalog."),
    "dump": Subcommand("xds.cli.dump", "Print exactly what a connected node is served."),
    "explain": Subcommand("xds.cli.explain", "Explain what will happen to a request for a service."),
    "fmt": Subcommand("xds.cli.fmt", "Format the files of a catalog. Comments and meaning stay."),
    "help": Subcommand("xds.cli.help", "Print the help of a command."),
    "init": Subcommand("xds.cli.init", "Write a catalog to begin with, from answers or from options."),
    "route": Subcommand("xds.cli.route", "Find the route that a request takes, and its endpoints."),
    "schema": Subcommand("xds.cli.schema", "Print the JSON Schema of a catalog file, for editors."),
    "serve": Subcommand("xds.cli.serve", "Serve a catalog to Envoy over xDS, and follow its edits."),
    "status": Subcommand("xds.cli.status", "List the connected clients, and who refuses what."),
}


MEANT = {
    "format": "xds fmt",
    "lint": "xds check",
    "new": "xds init",
    "run": "xds serve",
    "start": "xds serve",
    "trace": "xds route",
    "validate": "xds check",
    "version": "xds --version",
}
"""What people call a command, and what it is called here."""


class Commands(click.Group):
    """A group that imports a subcommand when it is needed, so that `xds check` does not wait for gRPC's import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order of the help text."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None for an unknown name, for which click prints an error."""
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name].module
        with nullcontext() if module in sys.modules else _imports_stay():
            command: click.Command = import_module(module).command
        begin_command()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the arguments name. For an unknown name, fail with the nearest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(explain_unknown(name), ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the subcommands, or the options, that begin so: from the table, since imports take a second."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=COMMANDS[name].summary) for name in COMMANDS if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from the table: to import all of them takes a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])


def explain_unknown(name: str) -> str:
    """Return a message for an unknown command, with the command that was probably meant."""
    from xds.wording import find_nearest, show

    meant = MEANT.get(name.lower())
    if meant is None and (near := find_nearest(name, [*COMMANDS, *MEANT])) is not None:
        meant = MEANT.get(near, f"xds {near}")
    return f"there is no command {show(name)}: {f'did you mean `{meant}`?' if meant else '`xds help` lists them'}"


@contextmanager
def _imports_stay() -> Iterator[None]:
    """Exclude imported modules from garbage collection, since they stay. It took a quarter of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="xds")
def main() -> None:
    """A control plane for a service mesh: it serves a YAML catalog of services to Envoy over xDS.

    \b
    Examples:
      xds demo                                   run a mesh with a real Envoy on this machine
      xds init                                   write a catalog to begin with
      xds check catalog.yaml                     print every mistake in a catalog
      xds serve --catalog catalog/               serve a folder, and apply edits at once
      xds diff catalog.yaml                      show which resources an edit would change
      xds docs services.retries                  explain a field of the catalog
      xds status                                 list connected clients and what they refuse
      xds apply                                  show a removal that waits for a confirmation
      xds explain api-service --node web-1       show the route, policy and endpoints of a request
      xds route http://example.com/ --node edge  find the route that a request takes
      xds bootstrap --node-id web-1 --cluster web > envoy.yaml
      xds help check                             print the help of a command
    """
