"""Start a program that dies with its parent: `python leash.py PARENT_PID PROGRAM ARGUMENT...`.

Linux alone can promise it (`PR_SET_PDEATHSIG`); elsewhere the program is started all the same. This is a program
of its own, not a `preexec_fn`, because Python code between fork and exec can deadlock when threads are about.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def hold(parent: int) -> None:
    """Ask the kernel to kill this process, and what it becomes by exec, when the thread that forked it ends."""
    if sys.platform != "linux":
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we had asked
        sys.exit(1)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 no shell is wanted
