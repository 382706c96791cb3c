"""How long skew-normalising all class metrics takes.

    python benchmarks/metrics.py --faces 40000 --classes 8

Random scores that favor the true class, with AffectNet's class frequencies, coarse enough to have ties, and
200 trials. One thread; the median of five runs after one that does not count is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from affectzoo.metrics.classification import class_metrics
from affectzoo.metrics.skew import skew_normalised

FREQUENCIES = (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750)
"""AffectNet's training faces of its eight classes."""


def random_faces(faces: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (faces, classes) and labels (faces,)."""
    random = np.random.default_rng(0)
    frequencies = np.resize(FREQUENCIES, classes)
    labels = random.choice(classes, faces, p=frequencies / frequencies.sum())
    scores = random.normal(size=(faces, classes)) + 1.5 * np.eye(classes)[labels]
    return torch.from_numpy(scores.round(3)).softmax(dim=1), torch.from_numpy(labels)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faces", type=int, default=40_000, help="predictions")
    parser.add_argument("--classes", type=int, default=8, help="classes")
    parser.add_argument("--trials", type=int, default=200, help="draws")
    parser.add_argument("--repetitions", type=int, default=5, help="timed runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scores, labels = random_faces(options.faces, options.classes)
    plain, normalised, processor = [], [], []
    for _ in range(1 + options.repetitions):
        start = time.perf_counter()
        class_metrics(scores, labels)
        plain.append(time.perf_counter() - start)
        start, busy = time.perf_counter(), time.process_time()
        found = skew_normalised(scores, labels, trials=options.trials)
        normalised.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    size = f"{options.faces:,} faces, {options.classes} classes"
    print(f"{size}, {found.trials} trials of {found.faces:,} faces per class")
    print(f"{'all class metrics':24} {statistics.median(plain[1:]):>8.3f} s")
    print(f"{'skew-normalised':24} {statistics.median(normalised[1:]):>8.3f} s")
    print(f"{'of it on the processor':24} {statistics.median(processor[1:]):>8.3f} s")


if __name__ == "__main__":
    main()
