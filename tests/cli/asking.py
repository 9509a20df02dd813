"""Runs commands that ask a server's admin interface, as an operator runs them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS", "XDS_ADMIN")}
"""An environment in which a command prints as it does for a pipe, and asks the usual server."""


async def run(
    *arguments: str, cwd: Path | None = None, stdin: int | None = subprocess.DEVNULL, **variables: str
) -> tuple[int, str, str]:
    """Run `xds` with arguments and environment variables; return the exit code, the output and the error output."""
    command = [sys.executable, "-m", "xds", *arguments]

    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=cwd,
            env={**ENVIRONMENT, **variables},
            stdin=stdin,
        )

    answer = await asyncio.to_thread(call)
    assert "Traceback" not in answer.stderr
    return answer.returncode, answer.stdout, answer.stderr
