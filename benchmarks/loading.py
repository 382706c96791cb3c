"""How fast and in how much memory a large model is loaded: safetensors beside a pickled state dict.

Writes a random ResNet-152 three times: as affectzoo stores weights (float16), the same in float32, and by
``torch.save``. Each is then loaded in processes of their own, which take turns; the files are in the disk's
cache, all libraries are imported before:

- ``affectzoo.load`` of a file, which builds the model, too;
- ``torch.load(weights_only=True)`` and ``load_state_dict`` into a model that was built before; building is
  measured by itself.

A first round, which is not counted, also runs the self-tests, once for each file and machine. Seconds are
medians and include reading every value once, since a file may be mapped instead of read. Memory is the
process's peak beyond what it had before building and loading, in MiB and in copies of the float32 parameters.
Linux only.

    python benchmarks/loading.py --out loading.json
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import affectzoo
from affectzoo import weights
from affectzoo.zoo.loading import seal

LABELS = "ferplus8"
WAYS = {
    "affectzoo.load, float16 file": "half.safetensors",
    "affectzoo.load, float32 file": "full.safetensors",
    "torch.load + load_state_dict": "state.pth",
}


def write(arch: str, folder: Path) -> None:
    """The same random weights in all three forms; float16 changes none of them."""
    model = affectzoo.create_model(arch, labels=LABELS)
    state = {n: t.half().float() if t.is_floating_point() else t for n, t in model.network_state().items()}
    for name, half in (("half", True), ("full", False)):
        weights.write(folder / f"{name}.safetensors", state, model.describe(), half=half)
        seal(folder / f"{name}.safetensors")
    torch.save(state, folder / "state.pth")


def measure(arch: str, file: Path) -> dict[str, float]:
    """Load once in this process: seconds, and bytes at the peak beyond those before."""
    with torch.device("meta"):
        affectzoo.create_model(arch, labels=LABELS)  # imports what it needs
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = memory("VmRSS")
    start = time.perf_counter()
    if file.suffix == ".safetensors":
        built = start
        model = affectzoo.load(file)
    else:
        model = affectzoo.create_model(arch, labels=LABELS).eval()
        built = time.perf_counter()
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    total = sum(tensor.sum().item() for tensor in model.network_state().values())
    read = time.perf_counter()
    return {
        "seconds": read - built,
        "building": built - start,
        "peak": memory("VmHWM") - before,
        "sum": total,
    }


def memory(field: str) -> int:
    """What the system says of this process's memory, bytes; ``getrusage`` would tell the parent's peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="resnet152", help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure(args.arch, args.measure)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AFFECTZOO_HOME": f"{folder}/home"}
        write(args.arch, Path(folder))
        command = [sys.executable, __file__, "--arch", args.arch, "--measure"]
        for repeat in range(args.repeats + 1):
            for turn in range(len(WAYS)):
                way = list(WAYS)[(repeat + turn) % len(WAYS)]
                done = subprocess.run(
                    [*command, f"{folder}/{WAYS[way]}"], env=environment, capture_output=True, check=True
                )
                if repeat:
                    found[way].append(json.loads(done.stdout))
        sizes = {way: Path(folder, name).stat().st_size for way, name in WAYS.items()}
    assert len({run["sum"] for runs in found.values() for run in runs}) == 1, "not the same weights"
    report(args, found, sizes)


def report(args: argparse.Namespace, found: dict[str, list[dict[str, float]]], sizes: dict[str, int]) -> None:
    """Print the medians and write them."""
    with torch.device("meta"):
        network = affectzoo.create_model(args.arch, labels=LABELS)
    copy = 4 * sum(parameter.numel() for parameter in network.parameters())
    rows: dict[str, dict[str, Any]] = {}
    for way, runs in found.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in ("seconds", "building", "peak")}
        rows[way] = {**middle, "copies": middle["peak"] / copy, "file": sizes[way]}
    title = f"{args.arch}, {copy / 2**20:,.0f} MiB of float32 parameters: median of {args.repeats}"
    table = Table(title=title, title_justify="left")
    for column in ("", "file, MiB", "building, s", "loading, s", "peak, MiB", "peak, copies"):
        table.add_column(column, justify="right" if column else "left")
    for way, row in rows.items():
        megabytes = [f"{row[key] / 2**20:,.0f}" for key in ("file", "peak")]
        building = f"{row['building']:.2f}" if row["building"] else "within"
        table.add_row(
            way, megabytes[0], building, f"{row['seconds']:.2f}", megabytes[1], f"{row['copies']:.2f}"
        )
    Console(width=120).print(table)
    result = {
        "arch": args.arch,
        "repeats": args.repeats,
        "copy": copy,
        "torch": torch.__version__,
        "ways": rows,
    }
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
