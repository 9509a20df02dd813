"""Runs commands that ask a server's admin interface, as an operator runs them."""

import asyncio
import os
from pathlib import Path

from tests import warm

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS", "XDS_ADMIN")}
"""An environment in which a command prints as it does for a pipe, and asks the usual server."""


async def run(*arguments: str, cwd: Path | None = None, **variables: str) -> tuple[int, str, str]:
    """Run `xds` with arguments and environment variables; return the exit code, the output and the error output."""
    answer = await asyncio.to_thread(warm.call, arguments, {**ENVIRONMENT, **variables}, cwd)
    assert "Traceback" not in answer.stderr
    return answer.returncode, answer.stdout, answer.stderr
