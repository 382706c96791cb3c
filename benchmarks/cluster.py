"""What does `affectzoo predict --engine ray` gain on this machine, and what does its start cost?

Whole commands on ready crops, in turn, one thread each: few images, which is the start, and many. The images
per second are those of the difference.

    python benchmarks/cluster.py --root DIR --few 64 --many 3000 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from affectzoo.inference.inputs import find


def seconds(images: list[Path], engine: str, folder: Path) -> tuple[float, bytes]:
    """How long the command takes, and what it wrote."""
    inputs, out = folder / "images", folder / f"{engine}.csv"
    inputs.mkdir()
    for image in images:
        (inputs / image.name).symlink_to(image.resolve())
    command = [sys.executable, "-m", "affectzoo", "predict", str(inputs), "--detector", "none"]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--out", str(out), "--engine", engine],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begun, out.read_bytes()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a folder with images")
    parser.add_argument("--few", type=int, default=64)
    parser.add_argument("--many", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    images = [source.value for source in find([args.root]).found][: args.many]
    taken: dict[tuple[str, int], list[float]] = {}
    rates: dict[str, list[float]] = {}
    for turn in range(args.rounds):
        written = {}
        for engine in ("local", "ray")[:: -1 if turn % 2 else 1]:
            for some in (images[: args.few], images):
                with tempfile.TemporaryDirectory() as name:
                    took, content = seconds(some, engine, Path(name))
                    written[engine] = content.replace(name.encode(), b"")
                taken.setdefault((engine, len(some)), []).append(took)
            few, many = (taken[engine, n][-1] for n in (args.few, len(images)))
            rates.setdefault(engine, []).append((len(images) - args.few) / (many - few))
        assert written["local"] == written["ray"]
    for (engine, some), times in sorted(taken.items()):
        spread = f"{min(times):.1f} to {max(times):.1f}"
        print(f"{engine}, {some} images: {statistics.median(times):.1f} s ({spread})")
    for engine, per_second in sorted(rates.items()):
        print(f"{engine}: {statistics.median(per_second):.1f} images/s beyond the start")
    ratios = [ray / local for local, ray in zip(rates["local"], rates["ray"], strict=True)]
    print(f"ray beside local: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
