"""How the log writes its lines."""

import asyncio
import io
import select
from pathlib import Path

from xds.server.observe.log import BufferedLines


class Written(io.StringIO):
    """A stream that records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Record one write."""
        self.writes.append(text)
        return len(text)


async def test_lines_of_one_loop_pass_are_written_together_as_whole_lines() -> None:
    """A write is small enough that a pipe does not mix it with other processes' writes.

    A longer line goes alone.
    """
    written = Written()
    lines = BufferedLines(written)
    texts = [f"{number} {'ä' * (number % 150)}\n" for number in range(100)] + [
        "x" * 3 * select.PIPE_BUF + "\n",
        "end\n",
    ]
    for text in texts:
        lines.write(text)
    assert not written.writes
    await asyncio.sleep(0)
    assert "".join(written.writes) == "".join(texts)
    assert all(text.endswith("\n") for text in written.writes)
    assert [text for text in written.writes if len(text.encode()) > select.PIPE_BUF] == [texts[-2]]
    assert len(written.writes) < len(texts) / 10


def test_a_line_logged_outside_an_event_loop_is_written_at_once(tmp_path: Path) -> None:
    """There is no pass of a loop to wait for."""
    with (tmp_path / "log").open("w") as stream:
        BufferedLines(stream).write("now\n")
        assert (tmp_path / "log").read_text() == "now\n"
