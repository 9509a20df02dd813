"""`xds demo` as a user runs it: a real Envoy and real requests, and nothing left behind however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.wording import write_install

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds what is left behind in /proc")

SECONDS = 120.0
"""The deadline of one run on a busy machine. A run takes about 15 s."""


class Demo:
    """A running `xds demo`. A variable that every descendant inherits identifies them, whatever their session."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.mark = f"XDS_DEMO_TEST={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xds", "demo", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, name: value, "TMPDIR": str(folder)},
            start_new_session=True,
        )

    def read_until(self, text: str) -> str:
        """Read its output up to the line that contains a text, and return that line."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return line
        raise AssertionError(f"no {text!r} in:\n{self.output}")

    def read_all(self) -> int:
        """Read the rest of its output, and return its exit code."""
        assert self.process.stdout
        self.output += self.process.stdout.read()
        return self.process.wait()

    def processes(self) -> list[int]:
        """Return it and every process that descends from it."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self.mark in environment(path)]

    def left_behind(self) -> list[object]:
        """Return the remaining processes and files."""
        return [*self.processes(), *self.folder.iterdir()]


def environment(process: Path) -> list[str]:
    """Return a process's environment, or an empty one if the process has ended or belongs to another user."""
    try:
        return (process / "environ").read_text(errors="replace").split("\0")
    except OSError:
        return []


def command_line(pid: int) -> list[str]:
    """Return a process's program and arguments."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Demo]:
    """Run the demo, and kill it after the deadline, so that reading its output ends."""
    demo = Demo(folder, *options)
    watch = threading.Timer(SECONDS, demo.process.kill)
    watch.start()
    try:
        with demo.process:
            yield demo
    finally:
        watch.cancel()
        demo.process.kill()


def at_free_port() -> tuple[str, str]:
    """Return the option for a free gateway port."""
    return ("--port", str(free_port()))


@dataclass(frozen=True, slots=True)
class WholeRun:
    """The output and the remains of a run that ended by itself."""

    code: int
    output: str
    left_behind: list[object]
    svg: str


@pytest.fixture(scope="module", params=["delta", pytest.param("sotw", marks=pytest.mark.whole)])
def whole_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """Run `xds demo --exit --svg FILE` once over each variant."""
    folder, picture = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("picture") / "demo.svg"
    begun = time.monotonic()
    with running(folder, "--exit", "--variant", request.param, "--svg", str(picture), *at_free_port()) as demo:
        code = demo.read_all()
    print(f"{demo.output}\n{request.param}: {time.monotonic() - begun:.1f} s")
    return WholeRun(code, demo.output, demo.left_behind(), picture.read_text() if picture.exists() else "")


def test_every_phase_holds(whole_run: WholeRun) -> None:
    """The shares are exact, chance explains the random phase, no request fails, and the exit code is 0."""
    output = whole_run.output
    assert whole_run.code == 0, output
    for shares in (r"exact shares: 100, 100, 100", r"chi-square \d", r"exact shares: 150, 100, 50"):
        assert re.search(rf"held: .*{shares}", output), output
    assert "held: no request failed; it received requests again" in output
    assert len(re.findall(r"saved → in effect: \d+ ms", output)) == 3
    assert len(re.findall(r"\d+ requests, 0 failed", output)) == 4
    assert "Every phase held" in output


def test_a_complete_run_leaves_nothing(whole_run: WholeRun) -> None:
    """After `--exit` there is no process and no file."""
    assert whole_run.left_behind == []


def test_output_to_a_pipe_is_plain_lines(whole_run: WholeRun) -> None:
    """The output has no escape sequence, and nothing in it is redrawn."""
    assert "\x1b" not in whole_run.output
    assert "\r" not in whole_run.output


def test_svg_shows_every_phase(whole_run: WholeRun) -> None:
    """`--svg` writes one picture of the run, which loads nothing from elsewhere."""
    for title in ("round&#160;robin", "random", "weighted&#160;3:2:1", "crash"):
        assert title in whole_run.svg
    assert "@font-face" not in whole_run.svg
    assert "url(http" not in whole_run.svg


def test_a_port_in_use_is_avoided(tmp_path: Path) -> None:
    """The gateway uses another port, prints it, and serves there."""
    with (
        socket.create_server((LOOPBACK, free_port())) as taken,
        running(tmp_path, "--port", str(taken.getsockname()[1])) as demo,
    ):
        demo.read_until(f"Port {taken.getsockname()[1]} is in use")
        found = re.search(r"http://([\d.:]+)/", demo.read_until("Up after"))
        assert found
        assert found[1] != f"{LOOPBACK}:{taken.getsockname()[1]}"
        demo.read_until("round robin:")
        status, body = http_get(found[1], "/api/data")
        assert (status, json.loads(body)["service"]) == (200, "api-service")
        demo.process.send_signal(signal.SIGINT)
        demo.read_all()
    assert demo.left_behind() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Starting", signal.SIGINT),
        ("Up after", signal.SIGHUP),
        ("round robin:", signal.SIGTERM),
        ("random:", signal.SIGINT),
    ],
)
def test_a_signal_at_any_moment_leaves_nothing(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    """During the start or a phase, every process and file goes. The exit code has the signal."""
    with running(tmp_path, *at_free_port()) as demo:
        demo.read_until(moment)
        demo.process.send_signal(number)
        code = demo.read_all()
    assert code == 128 + number, demo.output
    assert "Traceback" not in demo.output
    assert demo.left_behind() == []


def test_repeated_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A hundred Ctrl-C a second do not interrupt the cleanup."""
    with running(tmp_path, *at_free_port()) as demo:
        demo.read_until("round robin:")
        code = None
        while code is None:
            demo.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                code = demo.process.wait(0.01)
        demo.read_all()
    assert code == 128 + signal.SIGINT, demo.output
    assert demo.left_behind() == []


def test_children_do_not_survive_a_demo_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL allows no cleanup, so the kernel ends the children."""
    with running(tmp_path, *at_free_port()) as demo:
        demo.read_until("round robin:")
        assert len(demo.processes()) == 6  # itself, three instances, the control plane, Envoy
        demo.process.kill()
        demo.read_all()
    deadline = time.monotonic() + 10
    while demo.processes():
        assert time.monotonic() < deadline, demo.processes()


def test_an_envoy_that_dies_is_reported_and_fails_the_demo(tmp_path: Path) -> None:
    """The exit code is 1 with the reason, and nothing is left."""
    with running(tmp_path, "--exit", *at_free_port()) as demo:
        demo.read_until("round robin:")
        (envoy,) = [pid for pid in demo.processes() if "--admin-address-path" in command_line(pid)]
        os.kill(envoy, signal.SIGKILL)
        assert demo.read_all() == 1, demo.output
    assert "envoy ended with -9" in demo.output
    assert "Traceback" not in demo.output
    assert demo.left_behind() == []


def test_the_demo_stays_up_after_the_phases(tmp_path: Path) -> None:
    """A killed process comes back, an edit takes effect, and Ctrl-C exits with 0."""
    with running(tmp_path, *at_free_port()) as demo:
        demo.read_until("keeps running")
        command = demo.read_until("kill -9")
        os.kill(int(command.split()[-1]), signal.SIGKILL)
        demo.read_until("removes")
        demo.read_until("api-2 has ended")
        demo.read_until("api-2 is started again")
        demo.process.send_signal(signal.SIGINT)
        assert demo.read_all() == 0, demo.output
    assert demo.left_behind() == []


def test_help_needs_no_extra() -> None:
    """`xds demo --help` imports neither Flask nor h11 nor rich."""
    program = """
import sys
from xds.cli import main
try:
    main(["demo", "--help"])
except SystemExit:
    print("imported:", {"flask", "h11", "rich"} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "xds demo --exit" in run.stdout
    assert "imported: set()" in run.stdout


def test_without_the_extra_one_line_names_the_install_command() -> None:
    """Without Flask, the exit code is 2 and there is no traceback."""
    program = "import sys; sys.modules['flask'] = None; from xds.cli import main; main(['demo'])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == f"xds demo needs flask: {write_install('demo')}\n"
