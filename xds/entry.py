"""The entry point of `xds`: runs a command, and ends the process in order whatever happens to it.

| what happens | exit code |
|---|---|
| Ctrl-C (SIGINT) | 130, without a word |
| SIGTERM | 143, without a word; `serve` and `demo` end in their own way once they run |
| the reader of the output has gone, as in `xds status \\| head` | 141, without a word |
| the output cannot be written, as on a full disk | 74, with a message |

A signal while modules are imported ends the process at once, since an exception in the middle of an import can be
swallowed or printed. Once a command runs, a signal is an exception, so that files and the terminal are left in order.
"""

import os
import sys

try:
    import signal
    from types import FrameType
    from typing import TYPE_CHECKING, NoReturn

    if TYPE_CHECKING:
        from sys import UnraisableHookArgs

        import click
except KeyboardInterrupt:
    os._exit(130)

BROKEN_PIPE = 141
"""The exit code of a program that SIGPIPE ends, as a shell shows it."""

CANNOT_WRITE = 74
"""EX_IOERR of sysexits.h: no command gives this code another meaning."""

NAME, COMPLETION = "xds", "_XDS_COMPLETE"
"""The program's name, and the variable by which a shell asks for completions, as click's scripts for shells set it."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run() -> NoReturn:
    """Run the command that the process's arguments name, and exit."""
    _handle_signals(leave_at_once)
    _open_standard_streams()
    sys.unraisablehook = _leave_when_ignored
    code = _run_command()
    _handle_signals(leave_at_once)
    code = _close_output(code)
    sys.exit(code)


def _open_standard_streams() -> None:
    """Open what whoever started this process has closed (`<&-`, `>&-`), lest a socket or a file gets the number.

    There is no input, what is written to the output fails, and messages are lost.
    """
    for number, flag in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flag)  # it gets the lowest number that is free, which is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - a descriptor, which stays open
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def leave_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """End the process without unwinding: the handler until a command runs."""
    os._exit(128 + number)


def leave_in_order(number: int, frame: FrameType | None) -> NoReturn:
    """End the process by an exception, so that what is open is closed; a second signal does not wait for that."""
    signal.signal(number, leave_at_once)
    if number == signal.SIGINT and sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\n")  # the shell's prompt does not stand behind ^C
    raise SystemExit(128 + number)


def begin_command() -> None:
    """From now on signals end the process in order; without effect in a process that `run` did not start."""
    _handle_signals(leave_in_order, instead_of=leave_at_once)


def _handle_signals(handler: "signal._HANDLER", instead_of: object = None) -> None:
    """Set the handler of `SIGNALS`, except of those that whoever started this process ignores, as nohup does."""
    for number in SIGNALS:
        now = signal.getsignal(number)
        if now != signal.SIG_IGN and instead_of in (None, now):
            signal.signal(number, handler)


def _leave_when_ignored(unraisable: "UnraisableHookArgs") -> None:
    """End the process when a signal's exception was raised where Python ignores exceptions, as in a destructor."""
    error = unraisable.exc_value
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        os._exit(error.code)
    sys.__unraisablehook__(unraisable)


def _run_command() -> int:
    """Run the command, or answer a shell that completes one, and return the exit code."""
    from click import Abort, ClickException
    from click.exceptions import Exit

    from xds.cli import main

    try:
        if instruction := os.environ.get(COMPLETION):
            from click.shell_completion import shell_complete

            return shell_complete(main, {}, NAME, COMPLETION, instruction)
        # click's `main` would turn a broken pipe into exit code 1, and print "Aborted!" after Ctrl-C.
        with main.make_context(NAME, sys.argv[1:]) as context:
            main.invoke(context)
    except Exit as error:
        return error.exit_code
    except SystemExit as error:
        return _read_code(error)
    except ClickException as error:
        return _show(error)
    except OSError as error:
        return _explain(error)
    except (Abort, EOFError):
        return _tell("stopped: there is no more input", 1)
    return 0


def _read_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    return _tell(str(error.code), 1)


def _show(error: "click.ClickException") -> int:
    from io import StringIO

    shown = StringIO()
    error.show(shown)
    try:
        print(_make_printable(shown.getvalue()), end="", file=sys.stderr)  # noqa: T201 - as below
    except OSError:
        _drop(2)
    return error.exit_code


def _explain(error: OSError) -> int:
    """Return the exit code for an error of the system that no command expected: most often the output's."""
    if isinstance(error, BrokenPipeError):
        _drop(1)
        return BROKEN_PIPE
    if error.filename is not None:
        return _tell(f"{error.filename}: {error.strerror}", 1)
    _drop(1)
    return _tell(f"cannot write the output: {error.strerror or error}", CANNOT_WRITE)


def _close_output(code: int) -> int:
    """Write what is buffered, and return the exit code: `code`, or that of a failure to write."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            _drop(number)
            if number == 1:
                code = _explain(error)
    return code


def _tell(message: str, code: int) -> int:
    """Print a message and return `code`; an error output that cannot be written to is no second error."""
    try:
        print(f"xds: {_make_printable(message)}", file=sys.stderr, flush=True)  # noqa: T201 - click may be what failed
    except OSError:
        _drop(2)
    return code


def _make_printable(message: str) -> str:
    """Escape what a message repeats, such as the names of files; its lines remain."""
    from xds.wording import printable  # a command that ends well does not need it

    return "\n".join(map(printable, message.split("\n")))


def _drop(number: int) -> None:
    """Discard what is written to a file descriptor, so that Python does not try, and complain, once more at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)
