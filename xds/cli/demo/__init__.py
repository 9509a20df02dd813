"""`xds demo`: runs a mesh on this machine, in which a real Envoy balances requests.

It needs the extra `demo` of the package.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from xds.wording import write_install

EXTRA = ("envoy", "flask", "h11")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--exit", "exit_", is_flag=True, help="End after the last phase; the exit code is 0 only if every phase held."
)
@click.option(
    "--variant",
    type=click.Choice(["sotw", "delta"]),
    default="delta",
    show_default=True,
    help="The variant of xDS: State of the World, or delta (only changes).",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="The gateway's port; if it is in use, the next free one.",
)
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Save a picture of the run to this file.")
def command(*, exit_: bool, variant: str, port: int, svg: Path | None) -> None:
    """Run a mesh on this machine, without containers and without root.

    The demo starts three instances of a service, the control plane and a real Envoy. It edits a catalog as an operator
    would (round robin, random, weighted), and sends and counts requests. It kills an instance under load and starts it
    again. Then everything keeps running, so that you can try things, until Ctrl-C, which removes every trace.

    \b
    Examples:
      xds demo                    watch it, then try things
      xds demo --exit             use it as a check: the exit code is 0 only if every phase held
      xds demo --variant sotw     use the other variant of xDS
      xds demo --port 9000        if another program uses port 8080
      xds demo --exit --svg demo.svg
    """
    if svg and not svg.parent.is_dir():
        raise click.BadParameter(f"there is no folder {svg.parent}", param_hint="--svg")
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        click.echo(f"xds demo needs {', '.join(missing)}: {write_install('demo')}", err=True)
        sys.exit(2)
    from xds.cli.demo.run import Options, run_demo

    sys.exit(run_demo(Options(exit_, variant, port, svg)))
