"""How long does a large data set take to open, and what memory does it take, also in each loading process?

AffectNet's older layout, simulated: lists of so many faces with boxes and 68 landmarks, and links to a few
images; and the same faces as `affectzoo data prepare --format shards` writes them, of one shard again and
again.

    python benchmarks/large.py make --faces 450000 --out DIR --lists
    python benchmarks/large.py open --root DIR/lists
    python benchmarks/large.py open --root DIR/prepared
    python benchmarks/large.py open --root DIR/prepared --landmarks 68
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import resource
import tarfile
import time
from multiprocessing import active_children
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectzoo.datamodules import AffectNet
from affectzoo.datasets.affectnet import COLUMNS, NAMES
from affectzoo.datasets.prepared import FORMAT, INDEX, SCHEMA
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import digest_of
from affectzoo.files.remote import RECORD

SHARD = 1024
VALID = 4000


def make(faces: int, out: Path, lists: bool) -> None:
    """Write both forms."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
    crops = [cv2.imencode(".jpg", cv2.resize(c, (96, 96), interpolation=cv2.INTER_CUBIC))[1] for c in coarse]
    contents = [crop.tobytes() for crop in crops]
    prepared = out / "prepared"
    (prepared / "shards").mkdir(parents=True)
    first = prepared / "shards" / "00000.tar"
    with tarfile.open(first, "w", format=tarfile.USTAR_FORMAT) as tar:
        for row in range(SHARD):
            member = tarfile.TarInfo(f"{row:07d}.jpg")
            member.size = len(contents[row % 64])
            tar.addfile(member, io.BytesIO(contents[row % 64]))
    for shard in range(1, faces // SHARD + 1):
        (prepared / "shards" / f"{shard:05d}.tar").symlink_to(first.name)
    rows = np.arange(faces)
    points = random.uniform(10, 86, (64, 136)).astype(np.float32).round(2)
    labels = random.integers(0, 8, faces)
    va = random.uniform(-0.7, 0.7, (faces, 2)).round(4)
    split = np.where(rows < faces - VALID, "train", "valid")
    names = [f"{row // 1000}/{row:07d}.jpg" for row in rows.tolist()]
    columns = {
        "row": pa.array(rows),
        "path": pa.array([f"shards/{r // SHARD:05d}.tar/{r % SHARD:07d}.jpg" for r in rows.tolist()]),
        "split": pa.array(split),
        "label": pa.array(np.array(NAMES)[labels]),
        "target": pa.array(list(np.eye(8, dtype=np.float32)[labels]), SCHEMA.field("target").type),
        "valence": pa.array(va[:, 0]),
        "arousal": pa.array(va[:, 1]),
        "box": pa.array(list(random.uniform((8, 8, 80, 80), (16, 16, 88, 88), (faces, 4)))),
        "landmarks": pa.FixedSizeListArray.from_arrays(points[rows % 64].ravel(), 136).cast(
            SCHEMA.field("landmarks").type
        ),
        "source": pa.array([f"/data/affectnet/training.csv, line {row + 2}" for row in rows.tolist()]),
        "original": pa.array([f"Manually_Annotated_Images/{name}" for name in names]),
        "digest": pa.array([digest_of(content) for content in contents]).take(pa.array(rows % 64)),
    }
    columns |= {
        f.name: columns[f.name].cast(f.type) if f.name in columns else pa.nulls(faces, f.type) for f in SCHEMA
    }
    pq.write_table(pa.table(columns, SCHEMA), prepared / INDEX, compression="zstd")
    record = {
        "format": FORMAT,
        "name": "affectnet",
        "module": "AffectNet",
        "dataset": "affectnet",
        "options": AffectNet(str(out)).reader_options(),
        "index_sha256": hashlib.sha256((prepared / INDEX).read_bytes()).hexdigest(),
        "left_out": {},
        "scale": 1.0,
        "folds": None,
        "labels": {"name": "affectnet8", "names": list(NAMES)},
        "crop": {"size": 96, "margin": 0.25, "align": "none"},
    }
    (prepared / RECORD).write_text(json.dumps(record))
    if lists:
        _make_lists(out / "lists", names, contents, labels, va, points)


def _make_lists(
    root: Path,
    names: list[str],
    contents: list[bytes],
    labels: np.ndarray,
    va: np.ndarray,
    points: np.ndarray,
) -> None:
    images = root / "Manually_Annotated_Images"
    images.mkdir(parents=True)
    for number, content in enumerate(contents):
        (root / f"{number}.jpg").write_bytes(content)
    marks = [";".join(f"{value:g}" for value in face) for face in points]
    files = {False: root / "training.csv", True: root / "validation.csv"}
    texts = {valid: path.open("w") for valid, path in files.items()}
    for text in texts.values():
        text.write(",".join(COLUMNS) + "\n")
    for row, name in enumerate(names):
        if row % 1000 == 0:
            (images / name).parent.mkdir()
        (images / name).symlink_to(f"../../{row % 64}.jpg")
        line = f"{name},10,10,70,70,{marks[row % 64]},{labels[row]},{va[row, 0]},{va[row, 1]}\n"
        texts[row >= len(names) - VALID].write(line)
    for text in texts.values():
        text.close()


def measure(root: Path, workers: int, batches: int, landmarks: int) -> None:
    """Open, serve batches, and say what that took."""
    before = _memory("self", "Rss")
    begun = time.perf_counter()
    spent = time.process_time()
    data = AffectNet(
        str(root),
        preprocess=Preprocess(size=64),
        landmarks=landmarks,
        batch_size=64,
        num_workers=workers,
        augment="none",
    )
    data.setup("fit")
    print(f"opening: {time.perf_counter() - begun:.1f} s, {time.process_time() - spent:.1f} s of CPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {before:.0f} MiB before, {_memory('self', 'Rss'):.0f} MiB now, {peak:.0f} MiB at most")
    begun = time.perf_counter()
    served = iter(data.train_dataloader())
    next(served)
    print(f"first batch: {time.perf_counter() - begun:.1f} s")
    for _ in range(batches):
        next(served)
    for child in active_children():
        own = _memory(str(child.pid), "Private_Dirty") + _memory(str(child.pid), "Private_Clean")
        print(f"loading process after {batches} batches: {own:.0f} MiB of its own")
    print(f"memory at the end: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")


def _memory(process: str, kind: str) -> float:
    """A process's memory in MiB, of one kind."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def main() -> None:
    """Make or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("--faces", type=int, default=450_000)
    making.add_argument("--out", type=Path, required=True)
    making.add_argument(
        "--lists", action="store_true", help="also as AffectNet's lists, with a link per face"
    )
    opening = commands.add_parser("open")
    opening.add_argument("--root", type=Path, required=True)
    opening.add_argument("--workers", type=int, default=2)
    opening.add_argument("--batches", type=int, default=200)
    opening.add_argument("--landmarks", type=int, default=0)
    args = parser.parse_args()
    if args.command == "make":
        make(args.faces, args.out, args.lists)
    else:
        measure(args.root, args.workers, args.batches, args.landmarks)


if __name__ == "__main__":
    main()
