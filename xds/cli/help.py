"""`xds help`: prints the help of a command."""

import click

from xds.cli import Commands, explain_unknown


@click.command()
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """Print the help of a command, as `xds COMMAND --help` does; without COMMAND, the list of commands.

    \b
    Examples:
      xds help
      xds help serve
    """
    top = ctx.parent or ctx
    if name is None or not isinstance(top.command, Commands):
        click.echo(top.get_help())
        return
    described = top.command.get_command(top, name)
    if described is None:
        raise click.UsageError(explain_unknown(name), top)
    with click.Context(described, info_name=name, parent=top) as of_command:
        click.echo(described.get_help(of_command))
