"""How large a detector's box is beside the crops of FER-2013, in shares of the crop's edge.

The crop rule of the FER+ models (longer edge of the box, no margin) comes from this. Each image is
enlarged and surrounded by its repeated edge, so that a detector can look beyond it.

    python benchmarks/crop_rule.py --root DIR [--yunet FILE] [--centerface FILE]
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from affectzoo.datasets.ferplus import FOLDERS
from affectzoo.faces.detect import CenterFace, Detector, Haar, YuNet
from affectzoo.files.images import read_image

EDGE, AROUND = 160, 80


def boxes(detector: Detector, pictures: list[Path]) -> np.ndarray:
    """Center offset, width and height of the one face in each image, shape (N, 4)."""
    found = []
    for path in pictures:
        face = cv2.resize(read_image(path), (EDGE, EDGE), interpolation=cv2.INTER_CUBIC)
        image = cv2.copyMakeBorder(face, *(AROUND,) * 4, cv2.BORDER_REPLICATE)
        detections = detector(image)
        if len(detections) == 1 and detections[0].box is not None:
            x0, y0, x1, y1 = detections[0].box
            middle = AROUND + EDGE / 2
            found.append(((x0 + x1) / 2 - middle, (y0 + y1) / 2 - middle, x1 - x0, y1 - y0))
    return np.array(found) / EDGE


def main() -> None:
    """Measure and print medians and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="FER+ as its authors lay it out")
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file; excluded without it")
    parser.add_argument("--centerface", type=Path, help="CenterFace's ONNX file; excluded without it")
    parser.add_argument("--pictures", type=int, default=500)
    args = parser.parse_args()
    listed = sorted((args.root / FOLDERS["train"]).glob("*.png"))
    chosen = random.Random(0).sample(listed, args.pictures)
    detectors: list[Detector] = [Haar(), *([YuNet(args.yunet)] if args.yunet else [])]
    detectors += [CenterFace(args.centerface)] if args.centerface else []
    print("detector    found  center x  center y  width  height  longer edge (quartiles)")
    for detector in detectors:
        measured = boxes(detector, chosen)
        x, y, width, height = np.median(measured, axis=0)
        low, longer, high = np.percentile(measured[:, 2:].max(axis=1), [25, 50, 75])
        print(
            f"{detector.name:10}  {len(measured):5}  {x:8.3f}  {y:8.3f}  {width:5.3f}  {height:6.3f}"
            f"  {longer:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    main()
