"""How many faces per second training reads: original files, prepared crops, prepared shards, ImageFolder.

Prepares the data set twice in a temporary folder, then reads the training part through each DataLoader,
shuffled, without augmentation: decode, crop, resize, normalize, batch. The sources take turns, a different
one first in each round, so that what else the machine does hits all alike; each figure is the median of the
rounds, each ratio that of the rounds' own ratios, with its quartiles. ImageFolder (torchvision, with Pillow)
reads the prepared crops, a folder per class, and does as much to them: color, resize, normalize.

Ready crops that are small enough, such as FER+'s, are copied byte by byte: what loose files then gain or lose
against the original is noise, and tells how much of the other differences is.

    python benchmarks/reading.py ferplus --root DIR --size 48 --color gray
    python benchmarks/reading.py affectnet --root DIR --size 64 --margin 0.25
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from affectzoo.datatools.prepare import CropRule, prepare
from affectzoo.evaluation.source import options
from affectzoo.faces.preprocess import Preprocess
from affectzoo.registry import data_set

BATCH = 64


def through_module(
    name: str, root: Path, preprocess: Preprocess, given: dict[str, Any]
) -> Callable[[int], Iterable[Any]]:
    """The data module's training loader, by number of workers."""

    def loader(workers: int) -> Iterable[Any]:
        module = data_set(name).load_class()(
            str(root),
            preprocess=preprocess,
            batch_size=BATCH,
            num_workers=workers,
            augment="none",
            **given,
        )
        module._index = kept.get("index")
        module.setup("fit")
        kept["index"] = module.index
        return module.train_dataloader()

    kept: dict[str, Any] = {}
    return loader


def through_image_folder(
    name: str, root: Path, preprocess: Preprocess, given: dict[str, Any], folder: Path
) -> Callable[[int], Iterable[Any]]:
    """ImageFolder over links to the prepared crops of the training part."""
    index = data_set(name).load_class()(str(root), **given).read()
    for path, label in index.part("train").table[["path", "label"]].itertuples(index=False):
        link = folder / str(label) / Path(path).name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / path)
    steps = [transforms.Grayscale()] if preprocess.color == "gray" else []
    steps += [
        transforms.Resize((preprocess.face_size,) * 2),
        transforms.CenterCrop(preprocess.size),
        transforms.ToTensor(),
        transforms.Normalize(preprocess.mean, preprocess.std),
    ]
    faces = ImageFolder(str(folder), transforms.Compose(steps))
    return lambda workers: DataLoader(faces, BATCH, shuffle=True, drop_last=True, num_workers=workers)


def rate(loader: Iterable[Any], warm: int, batches: int) -> float:
    """Faces per second over some batches, after the first ones."""
    start, seen = 0.0, 0
    for number, _ in enumerate(loader):
        if number == warm:
            start = time.perf_counter()
        seen = number - warm
        if seen == batches:
            break
    return seen * BATCH / (time.perf_counter() - start)


def main() -> None:
    """Measure and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="the data set, such as ferplus")
    parser.add_argument("--root", type=Path, required=True, help="where its files are")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of its data module")
    parser.add_argument("--size", type=int, default=64, help="the model's input (default: %(default)s)")
    parser.add_argument("--margin", type=float, default=0.25, help="its margin (default: %(default)s)")
    parser.add_argument("--color", choices=("rgb", "gray"), default="rgb", help="(default: %(default)s)")
    parser.add_argument("--crop", type=int, default=256, help="prepared size (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="(default: 0 2)")
    parser.add_argument("--batches", type=int, default=40, help="of 64 faces (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=8, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    preprocess = Preprocess(args.size, color=args.color, margin=args.margin)
    given, rule = options(args.set), CropRule(args.crop, max(0.0, args.margin))
    with tempfile.TemporaryDirectory() as folder:
        loose, shards = Path(folder, "loose"), Path(folder, "shards")
        prepare(args.name, args.root, loose, rule=rule, workers=0, **given)
        prepare(args.name, args.root, shards, rule=rule, form="shards", workers=0, **given)
        sources = {
            "original files": through_module(args.name, args.root, preprocess, given),
            "prepared, loose": through_module(args.name, loose, preprocess, given),
            "prepared, shards": through_module(args.name, shards, preprocess, given),
            "torchvision ImageFolder": through_image_folder(
                args.name, loose, preprocess, given, Path(folder, "classes")
            ),
        }
        rates: dict[tuple[str, int], list[float]] = {}
        for repeat in range(args.repeats + 1):
            for workers in args.workers:
                for turn in range(len(sources)):
                    source = list(sources)[(repeat + turn) % len(sources)]
                    measured = rate(sources[source](workers), 1 + 3 * workers, args.batches)
                    if repeat:  # the first round fills the disk's cache
                        rates.setdefault((source, workers), []).append(measured)
    table = Table(title=f"{args.name}: faces per second, median of {args.repeats}", title_justify="left")
    table.add_column("source")
    for workers in args.workers:
        table.add_column(f"{workers} workers", justify="right")
        table.add_column("of the original's", justify="right")
    for source in sources:
        cells = []
        for workers in args.workers:
            original, own = rates["original files", workers], rates[source, workers]
            low, middle, high = np.percentile(np.array(own) / original, [25, 50, 75])
            cells += [f"{np.median(own):,.0f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        table.add_row(source, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
