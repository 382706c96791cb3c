"""The ``affectzoo`` command: a light front end; each command loads what it needs when it runs.

A new command is a function ``add_<command>`` in the module of its family, and a line in ``parser.COMMANDS``.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from affectzoo.cli import training
from affectzoo.cli.parser import build_parser
from affectzoo.console import visible
from affectzoo.errors import AffectZooError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows ``affectzoo``; by default the process's own.

    Returns:
        0 when done, 1 when the work failed, 130 when it was interrupted.

    Raises:
        SystemExit: With 2 when the usage was wrong, with 143 when the process was told to terminate.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that this terminal cannot show
    try:
        os.getcwd()  # noqa: PTH109  # without a folder to be in, libraries crash
    except OSError as error:
        return _failed(f"the current folder: {error.strerror}; change into another one")
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except AffectZooError as error:
        return _failed(str(error))
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return 1
    except OSError as error:
        name = "a file, or standard output" if error.filename is None else os.fsdecode(error.filename)
        return _failed(f"{name}: {error.strerror or error}")
    except KeyboardInterrupt:
        _failed("interrupted")
        return 130
    return 0


def _open_streams() -> None:
    """Open what the process was started without: the next file would become standard output or error."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))


def _failed(told: str) -> int:
    print("affectzoo:", visible(told, keep="\n"), file=sys.stderr)
    return 1


def _run(given: Sequence[str]) -> None:
    parser = build_parser()
    for place, argument in enumerate(given, 1):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            parser.error(f"argument {place} is empty{argument and f': {argument}'}; is a variable not set?")
    if given and given[0] in training.COMMANDS:
        training.run(given)
        return
    args = parser.parse_args(given)
    if args.command is None:
        parser.print_help()
        return
    with _terminable():
        args.run(args)


@contextmanager
def _terminable() -> Iterator[None]:
    """End in order when told to terminate: what is open is closed, nothing half-written stays."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
