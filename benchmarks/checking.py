"""How long does `affectzoo data check` take for many images, and where does the time go?

So many different random images of 96 px are written as a folder per class, then checked.

    python benchmarks/checking.py --images 300000 --out DIR
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affectzoo.datatools import check, duplicates
from affectzoo.labels import SPACES

FOLDERS = SPACES["affectnet8"].names


def make(images: int, out: Path) -> None:
    """Write the images, as many of each class."""
    random = np.random.default_rng(0)
    for name in FOLDERS:
        (out / "train" / name).mkdir(parents=True)
    for number in range(images):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = out / "train" / FOLDERS[number % len(FOLDERS)] / f"{number:07d}.jpg"
        cv2.imwrite(str(path), cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC))


class Timer:
    """Wall and CPU seconds of functions, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}

    def __call__(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            found = function(*args, **kwargs)
            self.spent[name] = time.perf_counter() - wall, time.process_time() - cpu
            return found

        return timed


def main() -> None:
    """Make, where it is not there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=300_000, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    root = args.out / str(args.images)
    if not root.is_dir():
        make(args.images, root)
    timer = Timer()
    check._read = timer("reading lists and folders", check._read)  # type: ignore[assignment]
    check.scan = timer("opening images", check.scan)
    duplicates.near_pairs = timer("near duplicates", duplicates.near_pairs)
    timer("all", check.check)("folder", root)
    for name, (wall, cpu) in timer.spent.items():
        print(f"{name}: {wall:.1f} s, {cpu:.1f} CPU s, {args.images / wall:,.0f} images/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.0f}; {peak:.0f} MiB at most")


if __name__ == "__main__":
    main()
