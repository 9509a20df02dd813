"""`xds serve`: runs the control plane."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop
from click.core import ParameterSource

from xds.cli.listening import AdminType, CollectorType, ListenType
from xds.cli.options import choose_catalog
from xds.errors import CatalogError, Severity
from xds.server.address import ListenAddress, ListenError
from xds.server.control_plane import run
from xds.server.descriptors import raise_open_files
from xds.server.observe.log import LogFormat, configure_log, flush_log, is_for_people, own_standard_error
from xds.server.observe.spans import SpansError
from xds.server.settings import Settings
from xds.server.state import StateFile, find_state_folder
from xds.server.streams.stream import DRAIN_SECONDS
from xds.session.limits import Limits
from xds.sources.files.watch import FileSource

DEFAULT = Limits()

WRITERS_S = 10.0
"""How long a start waits for programs that write a file of the catalog."""

LAST_SECONDS = 0.2
"""How long a second signal waits until the log is written, at most."""

CATALOG_PATH = click.Path(path_type=Path)
"""A path that need not exist: the last good state on disk may stand in for it."""

log = structlog.get_logger()


class ServeCommand(click.Command):
    """A command whose wrong usage is a line of JSON with `--log json`, as everything is that it tells."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        given = " ".join(args).replace("=", " ")
        with _usage_in_log(is_json="--log json" in given):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _usage_in_log(is_json=ctx.params["log_format"] == LogFormat.JSON):
            return super().invoke(ctx)


@contextmanager
def _usage_in_log(*, is_json: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if not is_json:
            raise
        configure_log(LogFormat.JSON, "info")
        report = log.error
        report(error.format_message())
        sys.exit(error.exit_code)


@click.command(cls=ServeCommand)
@click.pass_context
@click.argument("argument", metavar="[CATALOG]", required=False, type=CATALOG_PATH)
@click.option(
    "--catalog",
    metavar="PATH",
    type=CATALOG_PATH,
    help="The catalog: a YAML file, or a folder of YAML files; the same as the argument CATALOG. [required]",
)
@click.option(
    "--listen", default="127.0.0.1:18000", show_default=True, type=ListenType(), help="The address for Envoys."
)
@click.option(
    "--admin",
    default="127.0.0.1:18002",
    show_default=True,
    metavar="IP:PORT|off",
    type=AdminType(),
    help="The address for `xds status`, `dump`, `diff` and `explain`, and for Prometheus; `off` for none.",
)
@click.option(
    "--allow-plaintext",
    is_flag=True,
    help="Allow addresses that other machines can reach, without TLS. Anyone who can connect can read the catalog.",
)
@click.option(
    "--rest", type=ListenType(), help="The address for Envoys that poll over HTTP instead of a stream. [default: none]"
)
@click.option(
    "--registry",
    type=ListenType(),
    help="The address at which services register themselves, over Consul's HTTP API. [default: none]",
)
@click.option(
    "--registry-tokens",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The SHA-256 of each token that may register, with the prefixes of its services, a line each. "
    "[default: no token is needed]",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="How many processes serve streams, for a mesh that needs more than one CPU core. "
    "With 2 or more, the kernel spreads connections over them, and one additional process holds the catalog.",
)
@click.option(
    "--max-streams",
    default=DEFAULT.streams,
    show_default=True,
    type=click.IntRange(1),
    help="How many streams may be open at the same time; with workers, in each worker.",
)
@click.option(
    "--max-connections-per-address",
    metavar="N",
    type=click.IntRange(1),
    help="How many connections one address may have at --listen; with workers, in each worker. "
    "[default: half of what the limit of open files (ulimit -n) allows]",
)
@click.option(
    "--max-names",
    default=DEFAULT.names,
    show_default=True,
    type=click.IntRange(1),
    help="How many names of one type a stream may subscribe to.",
)
@click.option(
    "--max-message-bytes",
    default=DEFAULT.message_bytes,
    show_default=True,
    type=click.IntRange(2**16, 2**30),
    help="The maximum size of a request.",
)
@click.option(
    "--data",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the last good state is stored, to be served after a restart with a bad or missing catalog. "
    "[default: $XDG_STATE_HOME/xds, or ~/.local/state/xds]",
)
@click.option("--no-data", is_flag=True, help="Store no last good state, and serve none.")
@click.option(
    "--drain-time",
    default=DRAIN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="The Envoys' own --drain-time-s. What an edit removes stays in an Envoy for this time, if connections that it "
    "drains may still use it.",
)
@click.option(
    "--otlp",
    envvar="XDS_OTLP",
    show_envvar=True,
    metavar="HOST:PORT",
    type=CollectorType(),
    help="Send spans that show how each edit is applied to this OpenTelemetry collector, over gRPC without TLS. "
    "Needs pip install 'xds-control-plane[otlp]'. [default: none]",
)
@click.option(
    "--log",
    "log_format",
    default=LogFormat.AUTO.value,
    show_default=True,
    type=click.Choice([log_format.value for log_format in LogFormat]),
    help="The log format; auto is human on a terminal, and json otherwise.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="The lowest level that is logged.",
)
def command(
    ctx: click.Context,
    argument: Path | None,
    catalog: Path | None,
    listen: ListenAddress,
    rest: ListenAddress | None,
    admin: ListenAddress | None,
    registry: ListenAddress | None,
    registry_tokens: Path | None,
    workers: int,
    max_streams: int,
    max_connections_per_address: int | None,
    max_names: int,
    max_message_bytes: int,
    data: Path | None,
    drain_time: float,
    otlp: str | None,
    log_format: str,
    log_level: str,
    *,
    allow_plaintext: bool,
    no_data: bool,
) -> None:
    """Serve a catalog to Envoy over xDS, and apply edits of the catalog.

    An edit with a mistake does not change what is served; the log has the place of the mistake. An edit that takes away
    most of the mesh is held until `xds apply --yes` confirms it. SIGTERM or Ctrl-C ends
    every stream, so that Envoys connect to another server; a second signal ends the process at once. Envoys keep their
    configuration.

    \b
    Examples:
      xds serve --catalog catalog.yaml
      xds serve --catalog catalog/ --listen 127.0.0.1:18001 --log json
      xds serve --catalog catalog/ --listen 0.0.0.0:18000 --allow-plaintext --workers 4

    Exit codes: 0 after SIGTERM or Ctrl-C, 1 the catalog has errors or an address cannot be used, 2 wrong usage.
    """
    catalog = choose_catalog(argument, catalog)
    if registry_tokens and not registry:
        raise click.UsageError("--registry-tokens needs --registry")
    if registry and not registry.is_loopback and not registry_tokens:
        raise click.UsageError(
            f"{registry} can be reached from other machines, and anyone there could register services: "
            "listen at 127.0.0.1, or add --registry-tokens"
        )
    for address in filter(None, (listen, rest, admin, registry)):
        if not address.is_loopback and not allow_plaintext:
            raise click.UsageError(
                f"{address} can be reached from other machines, and this server has no TLS: "
                "listen at 127.0.0.1, or add --allow-plaintext"
            )
    if data and no_data:
        raise click.UsageError("--data and --no-data cannot be used together")
    folder = None if no_data else data or find_state_folder()
    state = None if folder is None else StateFile(folder, catalog)
    if not os.path.lexists(catalog) and not (state and state.path.exists()):
        raise click.BadParameter(
            f"Path {str(catalog)!r} does not exist.", ctx, param_hint="'[CATALOG]'" if argument else "'--catalog'"
        )
    settings = Settings(
        listen,
        Limits(max_names, max_streams, max_message_bytes),
        max_connections_per_address,
        rest=rest,
        admin=admin,
        admin_required=ctx.get_parameter_source("admin") is not ParameterSource.DEFAULT,
        registry=registry,
        registry_tokens=registry_tokens,
        workers=workers,
        drain_time=drain_time,
        log_format=LogFormat(log_format),
        log_level=log_level,
        otlp=otlp,
    )
    configure_log(settings.log_format, settings.log_level)
    own_standard_error()
    raise_open_files()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(FileSource(catalog), settings, state))
    except (CatalogError, ListenError, SpansError) as error:
        _tell(error, settings.log_format)
        sys.exit(1)


def _tell(error: CatalogError | ListenError | SpansError, log_format: LogFormat) -> None:
    """Print why there was no start, as the rest of the log is printed."""
    if is_for_people(log_format):
        flush_log()
        click.echo(error, err=True)
    elif isinstance(error, CatalogError):
        for problem in error.problems:
            (log.error if problem.severity is Severity.ERROR else log.warning)(str(problem), problem=problem)
    else:
        report = log.error
        report(str(error))


async def _serve(source: FileSource, settings: Settings, state: StateFile | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if stopping.is_set():
            flush_log(LAST_SECONDS)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    await asyncio.to_thread(source.await_writers, WRITERS_S)  # half a file is a catalog that lacks services
    await run(source, settings, stopping, state)
