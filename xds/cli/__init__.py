"""The `xds` command: one module a subcommand, imported only when it is called."""

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
"""Where each subcommand lives; the module's `command` is it."""


class Commands(click.Group):
    """A group whose members are imported when they are needed, so that `xds check` never waits for gRPC."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every subcommand, in the order of the help text."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand's module; None for an unknown one, of which click then tells."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xds")
def main() -> None:
    """A service mesh's control plane: a YAML service catalog, streamed to Envoy over xDS.

    \b
    Examples:
      xds demo                                   a mesh on this machine, balanced by a real Envoy
      xds check catalog.yaml                     every mistake in one run
      xds serve --catalog catalog/               serve a folder; edits are taken up live
      xds diff catalog.yaml                      what saving it would change, resource by resource
      xds docs services.retries                  a field of the catalog: meaning, default, unit
      xds status                                 who is connected, and who refuses what
      xds explain api-service --node web-1       route, policy, and each endpoint's expected share
      xds bootstrap --node-id web-1 --cluster web > envoy.yaml
    """
