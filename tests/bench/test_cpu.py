"""The clock with which all benches measure."""

import os
import subprocess
import sys
import time

from tests.bench.cpu import await_end, read_cpu


def test_the_cpu_time_of_a_process_is_exact() -> None:
    """It lies between two looks of the process at its own clock. A whole number of ticks does not."""
    before = time.process_time()
    seconds = read_cpu(os.getpid())
    assert before <= seconds <= time.process_time()


def test_the_cpu_time_of_an_ended_process_is_complete() -> None:
    """It includes what the process used until its end."""
    command = [sys.executable, "-S", "-c", "import os, time; print(time.process_time(), flush=True); os._exit(3)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        own = float(process.stdout.read())
        seconds, code = await_end(process)
    assert own < seconds < own + 1
    assert code == 3
