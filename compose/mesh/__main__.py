"""The command line: `python3 -m mesh traffic` and other commands, to be run in the folder `compose`."""

import argparse
import io
import sys
from collections.abc import Callable

from mesh.breaks import cut, kill, roll
from mesh.edits import canary, tracing, weights
from mesh.project import MeshError
from mesh.readiness import wait
from mesh.traffic import traffic

COUNTED = "how long requests are counted"
RATE = "requests per second (default: %(default)s)"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m mesh",
        description="Change or break something in the mesh, and see what its clients notice.",
        epilog="Exit codes: 0 no request failed, or the mesh is ready; 1 a request failed, or it is not ready in time; "
        "2 the command could not be run.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(act: Callable[[argparse.Namespace], int], words: str, seconds: float, span: str) -> argparse.ArgumentParser:
        command = commands.add_parser(act.__name__, help=words, description=words)
        command.add_argument("--rate", type=_positive, default=100, metavar="N", help=RATE)
        command.add_argument(
            "--seconds", type=float, default=seconds, metavar="N", help=f"{span} (default: %(default)g)"
        )
        command.set_defaults(act=act)
        return command

    command = add(traffic, "send requests through the gateway, and see which instances answer", 5, COUNTED)
    command.add_argument(
        "path", nargs="?", default="/api/data", help="the path; / is served by web (default: %(default)s)"
    )

    command = add(weights, "set the weights of api-service's instances while requests run", 5, COUNTED)
    command.add_argument("weights", nargs="+", metavar="WEIGHT", help="one for each instance, or `equal`")

    command = add(canary, "send a percentage of the requests to api-service-v2", 5, COUNTED)
    command.add_argument("percent", type=_percent, metavar="PERCENT", help="0 to 100")

    command = add(tracing, "trace a percentage of the requests", 5, "how long requests are sent")
    command.add_argument("percent", type=_percent, metavar="PERCENT", help="0 to 100; 0 is off")

    command = add(kill, "kill an instance while requests run, and start it again", 4, "how long it is down")
    command.add_argument("instance", nargs="?", default="api-2", help="the instance (default: %(default)s)")

    words = "wait until every Envoy has the catalog, and every endpoint is healthy; then nothing is missing"
    waiting = commands.add_parser(wait.__name__, help=words, description=words)
    waiting.add_argument(
        "--seconds", type=float, default=120, metavar="N", help="how long at most (default: %(default)g)"
    )
    waiting.set_defaults(act=wait)

    add(cut, "disconnect the control plane from the network, and save an edit meanwhile", 60, "how long")

    add(roll, "replace the control plane's container while requests run", 2, "how long requests run before and after")
    return parser


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, found {text!r}")
    return int(text)


def _percent(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 100:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 100, found {text!r}")
    return int(text)


def main() -> int:
    """Run the command, and return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace", line_buffering=True
        )  # so that an encoding without bars raises no error
    options = make_parser().parse_args()
    try:
        return int(options.act(options))
    except MeshError as error:
        print(f"mesh: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
