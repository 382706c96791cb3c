"""What one photograph costs beyond loading torch: CPU time of whole commands, user and system together.

Every command runs in a process of its own with one thread; they take turns, the first round is not counted,
and medians are told, also beside what importing torch, OpenCV and NumPy takes. Weights test themselves once
for each file and machine; ``first predict`` does it every time.

    python benchmarks/starting.py --rounds 7
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from processes import run
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
                    home = new if name == "first predict" else kept
                    used = run(arguments, environment={"AFFECTZOO_HOME": home}).processor
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
