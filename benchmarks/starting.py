"""What one photograph costs beyond loading torch: CPU time of whole commands, user and system together.

Every command runs in a process of its own with one thread; they take turns, the first round is not counted,
and medians are told, also beside what importing torch, OpenCV and NumPy takes. Weights test themselves once
for each file and machine; ``first predict`` does it every time.

    python benchmarks/starting.py --rounds 7
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import affectzoo

PHOTO = str(Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg")
PREDICT = ["-m", "affectzoo", "predict", PHOTO]
LOAD = ["-c", "import affectzoo; affectzoo.load('dlp_cnn_s.ferplus')"]
COMMANDS = {
    "import torch, cv2, numpy": ["-c", "import torch, cv2, numpy"],
    "affectzoo.load": LOAD,
    "affectzoo predict photo.jpg": PREDICT,
    "first predict": PREDICT,
    "affectzoo predict --help": ["-m", "affectzoo", "predict", "--help"],
    "affectzoo --help": ["-m", "affectzoo", "--help"],
}


def seconds(arguments: list[str], home: Path) -> float:
    """The CPU time of a command; its cache is in ``home``."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "AFFECTZOO_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | threads,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as kept:
        for number in range(rounds + 1):
            for name, arguments in COMMANDS.items():
                with tempfile.TemporaryDirectory() as new:
                    used = seconds(arguments, Path(new if name == "first predict" else kept))
                spent[name] += [used] if number else []
    medians = {name: statistics.median(values) for name, values in spent.items()}
    base = medians["import torch, cv2, numpy"]
    table = Table("command", "CPU seconds", "from", "to", "beside the imports")
    for name, values in spent.items():
        row = (medians[name], min(values), max(values), medians[name] / base)
        table.add_row(name, *(f"{value:.2f}" for value in row))
    Console().print(table)


if __name__ == "__main__":
    main()
