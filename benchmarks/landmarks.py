"""What landmarks_s.rendered finds in faces as detectors cut them, and what a model loses by its points.

On rendered faces alone, of which the landmarks are known: the validation part of stills in AffectNet's
layout, and of clips in AFEW-VA's the fold that cnn_gru.rendered did not see.

    python benchmarks/landmarks.py --stills DIR --clips DIR [--yunet FILE]
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import affectzoo
from affectzoo.datasets.afewva import read_afewva
from affectzoo.datasets.affectnet import read_affectnet
from affectzoo.datasets.fields import box_around
from affectzoo.faces.detect import Detection, Detector, Haar, ReadyCrop, YuNet
from affectzoo.files.images import as_image, read_image
from affectzoo.inference.landmarks import FINDER, LandmarkFinder
from affectzoo.inference.prediction import Predictor
from affectzoo.losses.va import ccc
from affectzoo.metrics.landmarks import nme

MODEL = "cnn_gru.rendered"
Way = Callable[[np.ndarray, np.ndarray], list[Detection]]
"""From a frame and its true landmarks to its faces."""


def rendered(root: Path, table: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and landmarks of the faces in a table."""
    for row in table.itertuples():
        yield as_image(read_image(root / row.path), row.path), row.landmarks


def stills(root: Path, finder: LandmarkFinder, detector: Detector, faces: int) -> None:
    """Print the error of the points in a detector's boxes, and where these are."""
    index = read_affectnet(root).part("valid")
    errors, places = [], []
    for image, true in rendered(root, index.table.sample(faces, random_state=0)):
        for face in finder(image, detector(image)[:1], keep_boxes=True):
            assert face.landmarks is not None
            both = (torch.from_numpy(points).reshape(1, -1) for points in (face.landmarks, true))
            errors.append(float(nme(*both)))
            x0, y0, x1, y1 = face.box or (0, 0, image.shape[1], image.shape[0])
            left, top, right, low = box_around(true)
            edge = max(right - left, low - top)
            middle = (x0 + x1 - left - right) / 2 / edge, (y0 + y1 - top - low) / 2 / edge
            places.append((*middle, max(x1 - x0, y1 - y0) / edge))
    spread = (f"{low:+.2f} to {high:+.2f}" for low, high in np.percentile(places, [5, 95], axis=0).T)
    print(f"{detector.name:8}  {len(errors):4} of {faces}  {np.mean(errors):.4f}  {'  '.join(spread)}")


def clips(root: Path, ways: dict[str, Way]) -> None:
    """Print the CCC of MODEL on clips by where landmarks are from, over frames in which all find a face."""
    table = read_afewva(root, fold=0).part("test").table
    model = affectzoo.load(MODEL)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _, frames in table.groupby("clip", sort=False):
        pairs = list(rendered(root, frames))
        for name, way in ways.items():
            given = iter([way(image, true) for image, true in pairs])
            results = Predictor(model, _Given(given)).stream((image for image, _ in pairs), fps=25)
            firsts = [faces[0] for _, faces in results]
            found[name] += [(f.valence or np.nan, f.arousal or np.nan) for f in firsts]  # of no face: None
    truth = torch.from_numpy(table[["valence", "arousal"]].to_numpy(np.float64))
    values = {name: torch.tensor(rows, dtype=torch.float64) for name, rows in found.items()}
    known = torch.stack([rows.isfinite().all(dim=1) for rows in values.values()]).all(dim=0)
    for name, rows in values.items():
        valence, arousal = ccc(rows[known], truth[known]).tolist()
        print(f"{name:25}  {int(known.sum()):,} of {len(known):,} frames  {valence:.4f}  {arousal:.4f}")


class _Given:
    """A detector that says what is known of the next frame."""

    name, landmarks = "given", 68

    def __init__(self, faces: Iterator[list[Detection]]) -> None:
        self._faces = faces

    def __call__(self, image: np.ndarray) -> list[Detection]:
        return next(self._faces)[:1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stills", type=Path, help="rendered stills in AffectNet's layout")
    parser.add_argument("--clips", type=Path, help="rendered clips in AFEW-VA's layout")
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file; without it, Haar finds the faces")
    parser.add_argument("--faces", type=int, default=800, help="of the stills (default: %(default)s)")
    args = parser.parse_args()
    finder = LandmarkFinder(affectzoo.load(FINDER))
    detectors: list[Detector] = [Haar(), *([YuNet(args.yunet)] if args.yunet else [])]
    if args.stills:
        print("boxes     found       NME     center x, y, longer edge (5 to 95 %), shares of the points' box")
        for detector in (ReadyCrop(), *detectors):
            stills(args.stills, finder, detector, args.faces)
    if args.clips:
        detect = detectors[-1]
        ways: dict[str, Way] = {
            "true, box around them": lambda image, true: [Detection(box_around(true), landmarks=true)],
            "found, box around them": lambda image, _: finder(image, detect(image), keep_boxes=False),
            "found, detector's box": lambda image, _: finder(image, detect(image), keep_boxes=True),
        }
        print("landmarks                  frames                 CCC valence, arousal")
        clips(args.clips, ways)


if __name__ == "__main__":
    main()
