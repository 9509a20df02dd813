"""The console for commands that draw tables on a terminal."""

from typing import NoReturn

from rich.console import Console


class TableConsole(Console):
    """A console without highlighting, whose broken pipe is an error like any other output's."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise what rich would turn into an exit code of its own."""
        raise BrokenPipeError


def open_console() -> TableConsole:
    """Return the console of the standard output."""
    return TableConsole(highlight=False)
