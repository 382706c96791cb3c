"""What exported files cost and gain: accuracy on FER+'s validation part, time of one ready crop.

    python benchmarks/exported.py --root FERPLUS

Each model as it is in torch, as an ONNX file, and as an int8 one calibrated on training faces. Times are
processor time of one crop at a time on one thread, from the image's pixels to probabilities; the three take
turns, crop by crop.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import affectzoo
from affectzoo.datamodules.dataset import FaceDataset, ground_truth
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.evaluation.source import read
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image
from affectzoo.inference.backend import Backend, make_backend
from affectzoo.metrics.classification import class_metrics

BATCH = 64

Image = np.ndarray


def answer(backend: Backend, faces: list[Image]) -> np.ndarray:
    """Class probabilities of cut faces, shape (N, classes)."""
    shares = backend.answer(faces, [None] * len(faces), {}).probabilities
    assert shares is not None
    return shares


def milliseconds(backends: list[Backend], preprocess: Preprocess, crops: list[Image]) -> list[list[float]]:
    """Time crops, each by every backend in turn."""
    times: list[list[float]] = [[] for _ in backends]
    for crop in crops:
        for backend, own in zip(backends, times, strict=True):
            start = time.process_time()
            answer(backend, [preprocess.face(crop)])
            own.append(1000 * (time.process_time() - start))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="FER+")
    parser.add_argument("--models", nargs="+", default=["dlp_cnn_s.ferplus", "mobilenet_v1.ferplus"])
    parser.add_argument("--crops", type=int, default=500, help="how many are timed (default: 500)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("model", "form", "MB", "accuracy", "mean diagonal", "same label", "ms", "quartiles")
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, args.root, Path(folder), args.crops, table)
    Console(width=120).print(table)


def measure(name: str, root: Path, folder: Path, timed: int, table: Table) -> None:
    """Add a model's three rows."""
    model = affectzoo.load(name)
    files = [folder / "float.onnx", folder / "int8.onnx"]
    affectzoo.export_model(model, files[0])
    affectzoo.export_model(model, files[1], calibrate=f"ferplus={root}")
    backends = [make_backend(model), *(OnnxModel(file, threads=1) for file in files)]
    assert model.labels is not None
    index = read("ferplus", root).part("valid").conform(model.labels)
    data = FaceDataset(index, FaceTransform(model.preprocess))
    faces = [face.pixels for face in map(data.face, range(len(data))) if not isinstance(face, str)]
    labels = ground_truth(index).label.numpy()
    crops = [read_image(index.root / path) for path in index.table["path"][:timed]]
    times = milliseconds(backends, model.preprocess, crops)
    reference = None
    for backend, form, file, own in zip(
        backends, ("torch", "ONNX", "int8"), (model.source, *files), times, strict=True
    ):
        shares = [answer(backend, faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)]
        scores = np.concatenate(shares)
        reference = scores if reference is None else reference
        found = class_metrics(scores, labels)
        same = (scores.argmax(axis=1) == reference.argmax(axis=1)).mean()
        low, middle, high = statistics.quantiles(own[len(own) // 10 :], n=4)
        size = 0.0 if file is None else file.stat().st_size / 1e6
        table.add_row(
            *(name, form, f"{size:.1f}", f"{found.accuracy:.4f}", f"{found.recall.nanmean():.4f}"),
            *(f"{same:.4f}", f"{middle:.2f}", f"{low:.2f} to {high:.2f}"),
        )


if __name__ == "__main__":
    main()
