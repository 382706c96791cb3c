"""Run affectzoo's commands in processes of their own, and say what they took."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple


class Spent(NamedTuple):
    """What a command took.

    Attributes:
        seconds: By the clock.
        processor: Seconds of the processors, user and system.
        memory: The largest resident memory, MiB.
    """

    seconds: float
    processor: float
    memory: float


def run(arguments: list[str], threads: int = 1, environment: Mapping[str, str] | None = None) -> Spent:
    """Run Python with these arguments; what it prints is not shown.

    Args:
        arguments: Of Python, such as ``-m affectzoo --help``.
        threads: Of the libraries.
        environment: Variables beside those of this process.

    Raises:
        SystemExit: It failed.
    """
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | limits | dict(environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"python {' '.join(arguments)} failed")
    return Spent(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
