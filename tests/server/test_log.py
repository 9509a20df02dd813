"""The log's lines, as they are written."""

import asyncio
import io
import select
from pathlib import Path

from xds.server.observe.log import BufferedLines


class Written(io.StringIO):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Take one."""
        self.writes.append(text)
        return len(text)


async def test_lines_of_one_pass_are_few_writes_of_whole_lines() -> None:
    """Each as large as a pipe takes without mixing it with what other processes write; a longer line goes alone."""
    written = Written()
    lines = BufferedLines(written)
    said = [f"{number} {'ä' * (number % 150)}\n" for number in range(100)] + ["x" * 3 * select.PIPE_BUF + "\n", "end\n"]
    for line in said:
        lines.write(line)
    assert not written.writes
    await asyncio.sleep(0)
    assert "".join(written.writes) == "".join(said)
    assert all(text.endswith("\n") for text in written.writes)
    assert [text for text in written.writes if len(text.encode()) > select.PIPE_BUF] == [said[-2]]
    assert len(written.writes) < len(said) / 10


def test_what_is_said_outside_of_a_loop_is_written_at_once(tmp_path: Path) -> None:
    """There is no pass to wait for."""
    with (tmp_path / "log").open("w") as stream:
        BufferedLines(stream).write("now\n")
        assert (tmp_path / "log").read_text() == "now\n"
