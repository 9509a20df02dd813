"""The `xds` command. Each subcommand is in its own module, which is imported only when the subcommand is called."""

from importlib import import_module

import click

from xds import __version__

COMMANDS = {
    "bootstrap": "xds.cli.bootstrap",
    "check": "xds.cli.check",
    "demo": "xds.cli.demo",
    "diff": "xds.cli.diff",
    "docs": "xds.cli.docs",
    "dump": "xds.cli.dump",
    "explain": "xds.cli.explain",
    "schema": "xds.cli.schema",
    "serve": "xds.cli.serve",
    "status": "xds.cli.status",
}
"""The module of each subcommand. The subcommand is the module's `command`."""


class Commands(click.Group):
    """A group that imports a subcommand when it is needed, so that `xds check` does not wait for gRPC's import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order of the help text."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None for an unknown name, for which click prints an error."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xds")
def main() -> None:
    """A control plane for a service mesh: it serves a YAML catalog of services to Envoy over xDS.

    \b
    Examples:
      xds demo                                   run a mesh with a real Envoy on this machine
      xds check catalog.yaml                     print every mistake in a catalog
      xds serve --catalog catalog/               serve a folder, and apply edits at once
      xds diff catalog.yaml                      show which resources an edit would change
      xds docs services.retries                  explain a field of the catalog
      xds status                                 list connected clients and what they refuse
      xds explain api-service --node web-1       show the route, policy and endpoints of a request
      xds bootstrap --node-id web-1 --cluster web > envoy.yaml
    """
