"""Runs a program that is killed when its parent dies: `python die_with_parent.py PARENT_PID PROGRAM ARGUMENT...`.

Only Linux supports this (`PR_SET_PDEATHSIG`); on other systems the program just runs. This is a separate program, not a
`preexec_fn`, because Python code between fork and exec can deadlock when there are threads.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def kill_with_parent(parent: int) -> None:
    """Have the kernel kill this process, also after exec, when the thread that forked it ends."""
    if sys.platform != "linux":
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # the parent died before the call of prctl
        sys.exit(1)


if __name__ == "__main__":
    kill_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 without a shell
