"""Commands in processes of their own, to be stopped or killed; they start at once.

They are forked from a server that has imported what commands need and done nothing else: an interpreter's
start takes longer than most of what is tested here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import ClassVar

_IMPORTED = (
    *("affectzoo.training.command", "affectzoo.training.crossvalidation", "affectzoo.modules"),
    *("affectzoo.datatools.prepare", "affectzoo.inference.command", "affectzoo.benchmark.runner"),
    *("affectzoo.leaderboard.report", "affectzoo.hub.publishing.command", "torch.utils.tensorboard"),
)
LOG = "log.txt"
"""Where a command's output goes, in the folder that it runs in."""


class Command:
    """A command that runs; ``kill_all`` ends what a failed test leaves running."""

    _started: ClassVar[list[Command]] = []

    def __init__(
        self, folder: Path, *arguments: object, first: Callable[[], None] | None = None, **variables: str
    ) -> None:
        """Start it.

        Args:
            folder: Where it runs; its output is added to ``log.txt`` there.
            *arguments: What follows ``affectzoo``.
            first: A function of a module that is called in the process before the command.
            **variables: Of the environment, beside this process's own.
        """
        self.log = folder / LOG
        self._shown_before = self.log.stat().st_size if self.log.exists() else 0
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_IMPORTED))
        given = ([str(argument) for argument in arguments], folder, {**os.environ, **variables}, first)
        self.process: BaseProcess = context.Process(target=_start, args=given)
        self.process.start()
        self._started.append(self)

    @classmethod
    def kill_all(cls) -> None:
        """Kill all that still run, with their processes."""
        while cls._started:
            command = cls._started.pop()
            if command.running:
                command.kill()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.exitcode is None

    def end(self, timeout: float = 300) -> int:
        """Wait for its end; its exit status, negative after a signal."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"still running; it said: {self.shown()[-2000:]}"
        return self.process.exitcode

    def shown(self) -> str:
        """What it has printed."""
        return self.log.read_bytes()[self._shown_before :].decode(errors="replace")

    def wait_for(self, happened: Callable[[], bool], timeout: float = 300) -> None:
        """Wait until something has happened while it runs."""
        end = time.monotonic() + timeout
        while not happened():
            assert self.running, f"ended with {self.process.exitcode}: {self.shown()[-2000:]}"
            assert time.monotonic() < end, self.shown()[-2000:]
            time.sleep(0.005)

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self, after: float = 0.0) -> bool:
        """Kill it and all its processes, unless it ends well before; whether that was needed."""
        self.process.join(after)
        if self.process.exitcode is not None:
            assert self.process.exitcode == 0, self.shown()[-2000:]
            return False
        assert self.process.pid is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it is not yet the first of its group
            self.process.kill()
        self.process.join()
        return True


def fork_commands() -> None:
    """Let commands that start others fork them too, rather than start an interpreter for each."""
    from affectzoo.training import crossvalidation

    crossvalidation.subprocess.Popen = _Forked  # type: ignore[assignment, misc]


class _Forked:
    """Stands in for ``Popen``: this process has imported all and computed nothing, so a fork does as well."""

    def __init__(self, command: list[str]) -> None:
        assert command[:3] == [sys.executable, "-m", "affectzoo"]
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=(command[3:],))
        self._process.start()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


def _start(
    arguments: list[str], folder: Path, variables: Mapping[str, str], first: Callable[[], None] | None
) -> None:
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # processes of its own are started as ever
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    with (folder / LOG).open("ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    if first is not None:
        first()
    _run(arguments)


def _run(arguments: list[str]) -> None:
    import torch

    from affectzoo.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    sys.exit(main(arguments))
