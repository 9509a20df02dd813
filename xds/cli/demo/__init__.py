"""`xds demo`: a mesh on this machine, balanced by a real Envoy. What it needs beyond `xds` is the extra `demo`."""

import sys
from importlib.util import find_spec
from pathlib import Path

import click

EXTRA = ("envoy", "flask", "httpx")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--exit", "exit_", is_flag=True, help="End after the last phase; exit code 0 only if every phase held.")
@click.option(
    "--variant",
    type=click.Choice(["sotw", "delta"]),
    default="delta",
    show_default=True,
    help="How Envoy is sent changes: the state of the world, or what changed.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="The gateway's port; when it is in use, the next free one is taken.",
)
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Save a picture of the run to this file.")
def command(*, exit_: bool, variant: str, port: int, svg: Path | None) -> None:
    """Play a mesh on this machine: no container, no root.

    Three instances of a service, the control plane and a real Envoy are started; a catalog is edited as an operator
    would (round robin, random, weighted), requests are sent and counted; an instance is killed under load and brought
    back. Then all stays up to be played with, until Ctrl-C, which leaves nothing behind.

    \b
    Examples:
      xds demo                    watch it, then play with it
      xds demo --exit             a check: exit code 0 only if every phase held
      xds demo --variant sotw     the same over the other variant of xDS
      xds demo --port 9000        when another program has 8080
      xds demo --exit --svg demo.svg
    """
    if svg and not svg.parent.is_dir():
        raise click.BadParameter(f"there is no folder {svg.parent}", param_hint="--svg")
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        click.echo(f"xds demo needs {', '.join(missing)}: pip install 'xds[demo]'", err=True)
        sys.exit(2)
    from xds.cli.demo.run import Options, run_demo

    sys.exit(run_demo(Options(exit_, variant, port, svg)))
