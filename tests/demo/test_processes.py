"""Child processes: readiness, the reason of an early end, and no life beyond their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import Child, ChildError, end_all, free_port, start_instance

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def start(folder: Path, program: str, name: str = "child") -> Child:
    """Start a small Python program."""
    return Child(name, [sys.executable, "-c", program], folder)


async def up(child: Child) -> None:
    """Wait until the child has written that it is up."""
    await child.until(lambda: "up" in child.log_tail(), "say that it is up", 10)


async def test_an_instance_is_ready_when_it_answers(tmp_path: Path) -> None:
    """After `ready()` it serves requests. After the block nothing answers."""
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        assert http_get(instance.address, "/api/data") == (
            200,
            '{"data":[1,2,3],"instance":"api-1","service":"api-service"}\n',
        )
    assert not instance.is_running
    with pytest.raises(OSError, match="refused"):
        http_get(instance.address, "/")


async def test_an_early_death_is_reported_with_the_childs_log(tmp_path: Path) -> None:
    """The wait ends at once, before the deadline. The error has the exit code and the log."""
    program = "import sys; print('my port is taken', file=sys.stderr); sys.exit(3)"
    expected = pytest.raises(ChildError, match=r"ended with 3(.|\n)*my port is taken")
    with start(tmp_path, program) as child, expected:
        await child.until(lambda: False, "come up", 30)


async def test_a_timeout_names_the_child_and_what_was_awaited(tmp_path: Path) -> None:
    """The error of the deadline has both."""
    expected = pytest.raises(ChildError, match=r"child did not come up within 0\.05 s")
    with start(tmp_path, SLEEPER) as child, expected:
        await child.until(lambda: False, "come up", 0.05)


async def test_stop_ends_a_child_by_sigterm_and_one_that_ignores_it_by_sigkill(tmp_path: Path) -> None:
    """SIGTERM comes first. A child that ignores it is killed."""
    meek, stubborn = start(tmp_path, SLEEPER, "meek"), start(tmp_path, STUBBORN, "stubborn")
    await up(meek)
    await up(stubborn)
    assert meek.stop() == -signal.SIGTERM
    assert stubborn.stop(seconds=0.05) == -signal.SIGKILL


async def test_end_all_signals_every_child_before_it_waits(tmp_path: Path) -> None:
    """Slow children end in parallel. Here each ends only when all have their signal."""
    slow = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    print('told', flush=True)\n"
        f"    while sum('told' in log.read_text() for log in pathlib.Path({str(tmp_path)!r}).glob('*.log')) < 4:\n"
        "        time.sleep(0.01)\n"
        "    sys.exit(0)\n"
        "signal.signal(15, end)\n"
    ) + SLEEPER
    children = [start(tmp_path, slow, f"slow-{number}") for number in range(4)]
    for child in children:
        await up(child)
    end_all(children)
    assert [child.process.returncode for child in children] == [0, 0, 0, 0]


async def test_the_terminals_ctrl_c_does_not_reach_a_child(tmp_path: Path) -> None:
    """A child has a session of its own, since its parent ends it."""
    with start(tmp_path, SLEEPER) as child:
        assert os.getsid(child.pid) == child.pid
        assert os.getpgid(child.pid) != os.getpgid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A parent that gets SIGKILL cannot end its children, so the kernel does."""
    program = f"""
import pathlib, sys, time
from xds.cli.demo.processes import Child
child = Child("grandchild", [sys.executable, "-c", {SLEEPER!r}], pathlib.Path({str(tmp_path)!r}))
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        grandchild = int(parent.stdout.readline())
        assert is_alive(grandchild)
        parent.kill()
    deadline = time.monotonic() + 10
    while is_alive(grandchild):
        assert time.monotonic() < deadline


def is_alive(pid: int) -> bool:
    """Whether a process runs. A process that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
