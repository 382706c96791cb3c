"""How many faces per second one core decodes, augments and normalizes, beside torchvision v2 and timm.

    python benchmarks/augmenting.py --pictures DIR

Reads the JPEG files of a folder again and again: affectzoo as its data modules do; torchvision v2 with the
same steps, as far as it has them; timm by its own transform for training. They take turns; medians and ratios
of the rounds' CPU seconds are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from timm.data import create_transform
from torchvision.transforms import v2

from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image

Reader = Callable[[Path], torch.Tensor]


def zoo(augment: str, preprocess: Preprocess) -> Reader:
    """As ``FaceDataset`` reads a face."""
    transform = FaceTransform(preprocess, augment)  # type: ignore[arg-type]
    return lambda path: transform(read_image(path))[0]


def torchvision_steps(augment: str, preprocess: Preprocess) -> Reader:
    """The same steps by torchvision v2 with Pillow."""
    steps: list[torch.nn.Module] = [v2.Resize((preprocess.face_size,) * 2), v2.RandomHorizontalFlip()]
    if augment == "modern":
        steps += [
            v2.RandomAffine(20, (0.08, 0.08), (0.85, 1.15), (-6, 6), v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.15, contrast=0.4),
        ]
    steps += [v2.RandomCrop(preprocess.size), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    steps += [v2.Normalize(preprocess.mean, preprocess.std)]
    if augment == "modern":
        steps.append(v2.RandomErasing(0.25, (0.02, 0.12)))
    return _pillow(v2.Compose(steps))


def timm_steps(augment: str, preprocess: Preprocess) -> Reader:
    """What timm takes: a crop of random size, flip and, for ``modern``, color and a covered patch."""
    more = {"color_jitter": 0.4, "re_prob": 0.25} if augment == "modern" else {"color_jitter": None}
    return _pillow(create_transform(preprocess.size, is_training=True, auto_augment=None, **more))


def _pillow(transform: Callable[[Image.Image], torch.Tensor]) -> Reader:
    def read(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            return transform(image.convert("RGB"))

    return read


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--pictures", type=Path, required=True, help="a folder of JPEG files, each a ready crop"
    )
    parser.add_argument("--size", type=int, default=112, help="the network's input (default: %(default)s)")
    parser.add_argument("--margin", type=float, default=0.1, help="of its crop rule (default: %(default)s)")
    parser.add_argument("--faces", type=int, default=400, help="of each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    paths = sorted(args.pictures.glob("*.jpg"))[: args.faces]
    preprocess = Preprocess(args.size, margin=args.margin)
    table = Table("augmentation", "read by", "faces per second", "affectzoo's beside it, from, to")
    for augment in ("five_crops", "modern"):
        readers = {
            "affectzoo": zoo(augment, preprocess),
            "torchvision v2": torchvision_steps(augment, preprocess),
            "timm": timm_steps(augment, preprocess),
        }
        rates: dict[str, list[float]] = {name: [] for name in readers}
        for number in range(1 + args.rounds):
            for name, read in readers.items():
                started = time.process_time()
                for path in paths:
                    read(path)
                if number:  # the first round fills the disk's cache
                    rates[name].append(len(paths) / (time.process_time() - started))
        for name, found in rates.items():
            ratios = sorted(a / b for a, b in zip(rates["affectzoo"], found, strict=True))
            told = f"{median(ratios):.2f}, {ratios[0]:.2f}, {ratios[-1]:.2f}"
            table.add_row(augment, name, f"{median(found):,.0f}", told)
    print(f"{len(paths)} files, input {args.size} px")
    Console().print(table)


if __name__ == "__main__":
    main()
