"""How many faces detectors find when these are small, dark or turned, and what else they take for faces.

Each FER+ face is enlarged and surrounded by its repeated edge, as in ``crop_rule.py``; it is found where one
box overlaps its place by half. Photographs of one person are turned and darkened: in how many a face is found
and how many further ones. What is found in photographs without people is counted as false alarms.

    python benchmarks/detectors.py --root DIR --people DIR --empty DIR --yunet FILE --centerface FILE

``--scores`` fits instead what ``Haar`` makes of its cascade's levels: the share of faces among what is found,
if faces and false alarms, found in random parts of the photographs without people, are equally many.
"""

import argparse
import importlib
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression

from affectzoo.datasets.ferplus import FOLDERS
from affectzoo.faces.detect import LEAST_LIKELY, CenterFace, Detector, Haar, YuNet
from affectzoo.faces.preprocess import Box
from affectzoo.files.images import read_image

PARTS = 100
"""Parts cut out of each photograph without people, to fit scores."""

Scene = tuple[np.ndarray, Box]
"""An image, RGB, and its face's box."""


def scene(face: np.ndarray, edge: int = 120, turned: float = 0.0, light: float = 1.0) -> Scene:
    """A face of so many pixels in an image three times as wide, turned by degrees, darkened."""
    image = cv2.resize(face, (edge, edge), interpolation=cv2.INTER_AREA if edge < 48 else cv2.INTER_CUBIC)
    image = cv2.copyMakeBorder(image, *(edge,) * 4, cv2.BORDER_REPLICATE)
    return varied(image, turned, light), (edge, edge, 2 * edge, 2 * edge)


def varied(image: np.ndarray, turned: float, light: float) -> np.ndarray:
    """An image turned about its middle, by degrees, and darkened."""
    height, width = image.shape[:2]
    turning = cv2.getRotationMatrix2D((width / 2, height / 2), turned, 1.0)
    image = cv2.warpAffine(image, turning, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.round(image * light).astype(np.uint8)


CONDITIONS: dict[str, Callable[[np.ndarray], Scene]] = {
    "120 px": scene,
    "32 px": lambda face: scene(face, edge=32),
    "20 px": lambda face: scene(face, edge=20),
    "a tenth of the light": lambda face: scene(face, light=0.1),
    "turned by 30 degrees": lambda face: scene(face, turned=30),
    "60 degrees": lambda face: scene(face, turned=60),
    "90 degrees": lambda face: scene(face, turned=90),
}


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


def finds(detector: Detector, image: np.ndarray, box: Box) -> bool:
    """Whether one box is at the face's place."""
    return sum(overlap(found.box, box) >= 0.5 for found in detector(image) if found.box is not None) == 1


def fit_scores(faces: list[np.ndarray], empty: list[np.ndarray]) -> None:
    """Print the two constants of ``Haar``'s scores, and what they make of the levels they were fitted on."""
    haar, chance = Haar(), random.Random(0)
    levels: dict[bool, list[float]] = {True: [], False: []}
    for face in faces:
        image, box = scene(face, chance.choice([40, 60, 90, 120]))
        levels[True] += [level for found, level in haar.levels(image) if overlap(found, box) >= 0.4]
    for image in empty * PARTS:
        height, width = image.shape[:2]
        edge = round(chance.uniform(0.4, 1.0) * min(height, width))
        top, left = chance.randint(0, height - edge), chance.randint(0, width - edge)
        levels[False] += [level for _, level in haar.levels(image[top : top + edge, left : left + edge])]
    values = np.concatenate([levels[True], levels[False]])
    truth = np.repeat([1, 0], [len(levels[True]), len(levels[False])])
    fitted = LogisticRegression(C=1e6, class_weight="balanced").fit(values[:, None], truth)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    print(f"{sum(truth)} faces, {sum(1 - truth)} false alarms")
    print(f"even at {-offset / slope:.2f}, width {1 / slope:.2f}")
    for least in (LEAST_LIKELY, 0.5):
        kept = [np.mean(fitted.predict_proba(values[truth == one, None])[:, 1] >= least) for one in (1, 0)]
        print(f"with a score of {least} or more: {kept[0]:.2f} of the faces, {kept[1]:.2f} of the alarms")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="FER+ as its authors lay it out")
    parser.add_argument(
        "--people", type=Path, required=True, help="a folder of photographs of one person each"
    )
    parser.add_argument("--empty", type=Path, required=True, help="a folder of photographs without people")
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file; excluded without it")
    parser.add_argument("--centerface", type=Path, help="CenterFace's ONNX file; excluded without it")
    parser.add_argument("--own", default=[], action="append", metavar="MODULE:NAME", help="another detector")
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--scores", action="store_true", help="fit the scores of the Haar cascade instead")
    args = parser.parse_args()
    listed = sorted((args.root / FOLDERS["valid"]).glob("*.png"))
    faces = [read_image(path) for path in random.Random(0).sample(listed, args.faces)]
    empty = [read_image(path) for path in sorted(args.empty.iterdir())]
    if args.scores:
        return fit_scores(faces, empty)
    detectors: list[Detector] = [Haar()]
    detectors += [YuNet(args.yunet)] if args.yunet else []
    detectors += [CenterFace(args.centerface)] if args.centerface else []
    for own in args.own:
        module, name = own.split(":")
        detectors.append(getattr(importlib.import_module(module), name)())
    print(f"{args.faces} faces, share found by {', '.join(detector.name for detector in detectors)}")
    for told, make in CONDITIONS.items():
        shares = []
        for detector in detectors:
            found = [finds(detector, *make(face)) for face in faces]
            shares.append(f"{np.mean(found):.2f}")
        print(f"{told:>22}  {'  '.join(shares)}", flush=True)
    people = [read_image(path) for path in sorted(args.people.iterdir())]
    print(f"{len(people)} photographs of one person: found, and further faces")
    for light, turned in product((1.0, 0.1), (0, 30, 60, 90)):
        counts = []
        for detector in detectors:
            numbers = [len(detector(varied(image, turned, light))) for image in people]
            counts.append(f"{sum(map(bool, numbers))}, {sum(number - 1 for number in numbers if number)}")
        print(f"light {light}, turned by {turned:2}  {'  '.join(counts)}", flush=True)
    alarms, times = [], []
    for detector in detectors:
        seconds, found = [], []
        for image in empty:
            started = perf_counter()
            found.append(len(detector(image)))
            seconds.append(1000 * (perf_counter() - started) / (image.shape[0] * image.shape[1] / 1e6))
        alarms.append(f"{sum(found)} in {sum(map(bool, found))}")
        times.append(f"{median(seconds):.0f}")
    print(f"false alarms in {len(empty)} photographs: {', '.join(alarms)}")
    print(f"ms per million pixels, median: {', '.join(times)}")


if __name__ == "__main__":
    main()
