"""How accuracy falls where images are worse than those of the data set: one row per damage.

    python benchmarks/robustness.py --root DIR --models mobilenet_v1.ferplus dlp_cnn_s.ferplus

Faces are FER+'s, 48 px, of the validation part unless ``--split test`` is given. The faces are
damaged before a model prepares them, alike for every model. Strengths are in pixels of the 48.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

import affectzoo
from affectzoo.datamodules import FERPlus
from affectzoo.files.images import read_image
from affectzoo.models.inference import inference

Image = np.ndarray
EDGE = 48
EYES, MOUTH = (10, 22, 4, 44), (31, 45, 12, 36)
"""First and last row, first and last column of what is covered, where FER+'s crops have eyes and mouths."""


def blur(sigma: float) -> Callable[[Image], Image]:
    """Blur, standard deviation in pixels."""
    return lambda face: cv2.GaussianBlur(face, (0, 0), sigma)


def noise(deviation: float) -> Callable[[Image], Image]:
    """Add gray noise, standard deviation in levels of 0..255."""
    random = np.random.default_rng(0)

    def add(face: Image) -> Image:
        noisy = face + random.normal(0, deviation, face.shape[:2])[..., None]
        return noisy.round().clip(0, 255).astype(np.uint8)

    return add


def jpeg(quality: int) -> Callable[[Image], Image]:
    """Compress."""

    def compress(face: Image) -> Image:
        return cv2.imdecode(
            cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )

    return compress


def shrink(edge: int) -> Callable[[Image], Image]:
    """Leave few pixels."""
    return lambda face: cv2.resize(face, (edge, edge), interpolation=cv2.INTER_AREA)


def light(factor: float) -> Callable[[Image], Image]:
    """Multiply brightness."""
    return lambda face: (face * factor).round().clip(0, 255).astype(np.uint8)


def cover(rows_columns: tuple[int, int, int, int]) -> Callable[[Image], Image]:
    """Cover a rectangle with gray."""
    top, bottom, left, right = rows_columns

    def covered(face: Image) -> Image:
        face = face.copy()
        face[top:bottom, left:right] = 128
        return face

    return covered


def move(angle: float = 0, scale: float = 1, shift: float = 0) -> Callable[[Image], Image]:
    """Turn about the center, in degrees; enlarge; shift to the right and down, in shares of the edge."""

    def moved(face: Image) -> Image:
        middle = (EDGE - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
        matrix[:, 2] += shift * EDGE
        return cv2.warpAffine(face, matrix, (EDGE, EDGE), borderMode=cv2.BORDER_REPLICATE)

    return moved


def tint(red: float, blue: float) -> Callable[[Image], Image]:
    """Multiply red and blue."""
    return lambda face: (face * (red, 1, blue)).round().clip(0, 255).astype(np.uint8)


DAMAGE: dict[str, Callable[[Image], Image]] = {
    "none": lambda face: face,
    "mirrored": lambda face: face[:, ::-1],
    "JPEG, quality 30": jpeg(30),
    "24 pixels": shrink(24),
    "16 pixels": shrink(16),
    "blur, 1 px": blur(1),
    "blur, 1.5 px": blur(1.5),
    "noise, 8 levels": noise(8),
    "noise, 15 levels": noise(15),
    "half as bright": light(0.5),
    "1.5 times as bright": light(1.5),
    "tinted red": tint(1.15, 0.8),
    "eyes covered": cover(EYES),
    "mouth covered": cover(MOUTH),
    "turned by 15 degrees": move(angle=15),
    "turned by 30 degrees": move(angle=30),
    "crop 15 % larger": move(scale=1 / 1.15),
    "crop 15 % smaller": move(scale=1.15),
    "crop shifted by 8 %": move(shift=0.08),
}


def accuracy(model: torch.nn.Module, faces: list[Image], truth: np.ndarray) -> tuple[float, float]:
    """Measure accuracy and the mean of the classes' recalls."""
    predicted = []
    with inference(model):
        for first in range(0, len(faces), 100):
            batch = torch.stack([model.preprocess(face) for face in faces[first : first + 100]])
            predicted.append(model(batch).expression.argmax(dim=1).numpy())
    right = np.concatenate(predicted) == truth
    return right.mean(), np.mean([right[truth == label].mean() for label in np.unique(truth)])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="FER+ as its authors lay it out")
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--only", nargs="+", choices=DAMAGE, default=list(DAMAGE), metavar="DAMAGE")
    args = parser.parse_args()
    models = {name: affectzoo.load(name) for name in args.models}
    first = next(iter(models.values()))
    data = FERPlus(str(args.root), preprocess=first.preprocess, labels=first.labels, test_split=args.split)
    table = data.split_index(args.split).table
    faces = [read_image(args.root / path) for path in table["path"]]
    faces = [face if face.ndim == 3 else np.repeat(face[..., None], 3, axis=2) for face in faces]
    truth = np.array([first.labels.names.index(name) for name in table["label"]])
    print(f"{len(faces):,} faces; accuracy, mean recall\n")
    print("\n".join(" | ".join(row) for row in (["damage", *models], ["---"] * (1 + len(models)))))
    for name in args.only:
        damaged = [np.ascontiguousarray(DAMAGE[name](face)) for face in faces]
        figures = ["{:.3f}, {:.3f}".format(*accuracy(model, damaged, truth)) for model in models.values()]
        print(" | ".join([name, *figures]), flush=True)


if __name__ == "__main__":
    main()
