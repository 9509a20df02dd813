"""The command that only sends requests."""

import argparse
import time

from mesh.load import Load
from mesh.project import find_published
from mesh.tables import print_load, print_shares

GATEWAY = ("edge", 10000)
API = "/api/data"


def traffic(options: argparse.Namespace) -> int:
    """Send requests for a while, print the shares, and return the exit code."""
    with Load(find_published(*GATEWAY), options.path, options.rate) as load:
        time.sleep(options.seconds)
    code = print_load(load)
    print_shares("INSTANCE", load.count())
    return code
