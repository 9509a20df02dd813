"""The CPU time of processes, for all benches: from the kernel's exact clock of a process (clock_getcpuclockid(3)).

The figures in /proc are whole ticks of 10 ms, more than what a change costs at few clients.
"""

import os
import time
from subprocess import Popen
from typing import Any

CPU_CLOCK = 2
"""The kind of a process's CPU clock in the number that clock_getcpuclockid(3) makes of its id."""


def read_cpu(*pids: int) -> float:
    """Return the user and system time of processes so far, in seconds, with all their threads."""
    return sum(time.clock_gettime(~pid << 3 | CPU_CLOCK) for pid in pids)


def await_end(process: "Popen[Any]") -> tuple[float, int]:
    """Wait until a process ends. Return its CPU time in seconds and its exit code."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its clock lives until somebody has its exit code
    return read_cpu(process.pid), process.wait()
