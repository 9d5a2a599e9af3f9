"""The `shotveil` command, which finds all commands and prints every refusal as one line."""

from __future__ import annotations

import io
import os
import platform
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from shotveil.host.commands.config import config_option
from shotveil.host.commands.output import Failed
from shotveil.host.commands.room import Room, with_help
from shotveil.models.common.checks import RangeError
from shotveil.models.common.text import one_line

FAILED, BAD_INPUT, BUG, INTERRUPTED, NOBODY_READS = 1, 2, 70, 130, 141
NARROWEST = 20  # letters in a line of the terminal
DOCTOR = "; `shotveil doctor` looks at this machine"


class PipeBroken(Exception):
    """The reader of a pipe closed it: of standard output, or of a pipe to a device or a peer."""


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise PipeBroken(str(error)) from error


class _CtrlC:
    """Remembers in `seen` that Ctrl-C was pressed.

    A library in C that is interrupted while it loads raises an `ImportError` in place of the
    `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> _CtrlC:
        handler = signal.getsignal(signal.SIGINT)
        in_main = threading.current_thread() is threading.main_thread()  # others may set none
        self._ours = in_main and handler is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours and signal.getsignal(signal.SIGINT) == self._press:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        signal.default_int_handler(number, frame)


class Program(Room):
    """The group of all commands. Click alone would end silently at any broken pipe."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Read the options, and print help where it is asked for."""
        with _told_apart():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _told_apart():
            return super().invoke(ctx)


@click.group(
    name="shotveil",
    cls=Program,
    room="shotveil.host.commands",
    offered="shotveil.commands",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": "SHOTVEIL",
        "show_default": True,
    },
)
@click.version_option(package_name="shotveil", message="%(prog)s, version %(version)s")
@config_option
def cli() -> None:
    """Evaluate neural networks through weak light, so that little leaks of weights and data.

    Every option can also be set in a TOML file (infer.gain as "gain = 1.3" under "[infer]") or in
    the environment (SHOTVEIL_INFER_GAIN=1.3). See docs/commands.md.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    The exit code is 0 if all went well, 1 if the work was done and its answer is no, 2 for input
    that is refused or a machine that cannot do it, 70 for a bug, 130 after Ctrl-C, 141 if what
    reads the output has closed it.
    """
    _settle_streams()
    # Pictures are drawn by Agg. A notebook's variable would make the import of matplotlib fail.
    os.environ["MPLBACKEND"] = "agg"
    try:
        with _told_apart(), _CtrlC() as pressed:
            code = _run(arguments, pressed)
            _flush()
    except PipeBroken as error:
        if not _output_is_closed():
            _end(BAD_INPUT, str(error))
        sys.exit(NOBODY_READS)
    sys.exit(code)


def _run(arguments: Sequence[str] | None, pressed: _CtrlC) -> int:
    try:
        with_help(cli)
        code = cli.main(arguments, prog_name="shotveil", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        _end(BAD_INPUT, error.format_message())
    except (RangeError, ModuleNotFoundError) as error:
        _end(BAD_INPUT, str(error))
    except Failed as error:
        print(f"shotveil: {error}", file=sys.stderr)
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except BrokenPipeError:
        raise
    except OSError as error:
        _machine_refuses(error)
    except MemoryError:
        _end(BAD_INPUT, f"this needs more memory than there is{DOCTOR}")
    except PipeBroken:
        raise
    except Exception as error:
        if not pressed.seen:
            _bug(error)
        # What stopped half loaded, such as Matplotlib, can make Python abort where it cleans up.
        code = _interrupted()
        _flush()
        os._exit(code)
    return code if isinstance(code, int) else 0


def _settle_streams() -> None:
    """Let no letter that the terminal lacks lose a result, and notes be one line each.

    A stream that was closed before the start becomes one that leads nowhere. Otherwise the next
    file that is opened, such as a ledger, would get its number, and whatever is printed with it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < NARROWEST:  # some consoles say 0: nothing would show
        del os.environ["COLUMNS"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")
    warnings.showwarning = _note
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its lines would stand beside our errors


def _note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"shotveil: note: {one_line(str(message))}", file=sys.stderr)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _divert_output()
        _end(BAD_INPUT, f"standard output cannot be written: {error.strerror}; files are complete")


def _machine_refuses(error: OSError) -> NoReturn:
    """End with what the system says, such as a full disk or no more file handles."""
    with suppress(OSError, ValueError):
        os.fstat(sys.stdout.fileno())
        try:
            sys.stdout.flush()
        except OSError:
            _divert_output()
    place = f"{error.filename}: " if error.filename is not None else ""
    try:
        Path.cwd()
    except FileNotFoundError:
        place = place or "the working folder was removed: "
    _end(BAD_INPUT, f"{place}{error.strerror or error}{DOCTOR}")


def _interrupted() -> int:
    print("shotveil: interrupted", file=sys.stderr)
    return INTERRUPTED


def _bug(error: Exception) -> NoReturn:
    """End with how to report a bug; the traceback is printed only to those who ask for it."""
    text = "".join(traceback.format_exception(error))
    where = "set SHOTVEIL_TRACEBACK=1 to see where"
    if os.environ.get("SHOTVEIL_TRACEBACK"):
        print(text, file=sys.stderr)
        where = "the lines above say where"
    about = f"shotveil {metadata.version('shotveil')}, Python {platform.python_version()}, "
    _end(
        BUG,
        f"a bug of Shotveil: {type(error).__name__}: {error}; {where}; please report it with the "
        f"command and this: {about}{platform.platform()}",
    )


def _divert_output() -> None:
    # Python writes the rest of its buffer when it exits, so that needs a place to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _output_is_closed() -> bool:
    """Return whether standard output has lost its reader; if so, write nothing more to it."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # standard output is no file
        return False
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    _divert_output()
    return True


def _end(code: int, message: str) -> NoReturn:
    print(f"shotveil: {one_line(message)}", file=sys.stderr)
    sys.exit(code)
