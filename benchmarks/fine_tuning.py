"""What the bundled weights are worth on few images of one's own: fine-tuned against trained from scratch.

Cuts faces of three classes out of a copy of AffectNet in its newer layout (or of any data so laid out),
writes them as a folder per class and runs ``recipes/dlp_cnn_s/folder.yaml`` with and without the weights.

    python benchmarks/fine_tuning.py --root DIR [--per-class 25] [--seeds 3]
"""

import argparse
import csv
import tempfile
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from affectzoo.cli import main as affectzoo
from affectzoo.datasets.affectnet import read_affectnet
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image

CLASSES = ("anger", "happiness", "sadness")
RECIPE = Path(__file__).parents[1] / "recipes" / "dlp_cnn_s" / "folder.yaml"
CUT = Preprocess(size=96)


def write_faces(root: Path, folder: Path, counts: dict[str, int]) -> None:
    """The first faces of each class and part, cut to the box of their landmarks and the forehead above."""
    table = read_affectnet(root).table
    for part, count in counts.items():
        for name in CLASSES:
            rows = table[(table["split"] == part) & (table["label"] == name)]
            rows = rows.assign(number=[int(Path(path).stem) for path in rows["path"]])
            target = folder / part / name
            target.mkdir(parents=True)
            for _, row in rows.sort_values("number").head(count).iterrows():
                low, high = row["landmarks"].min(axis=0), row["landmarks"].max(axis=0)
                edge = float(max(high - low))
                x, y = (low + high) / 2 - (0, 0.084 * edge)
                half = 1.234 * edge / 2  # YuNet's box around the same face
                face = CUT.face(read_image(root / row["path"]), (x - half, y - half, x + half, y + half))
                cv2.imwrite(str(target / f"{row['number']}.png"), face[..., ::-1])


def accuracy(faces: Path, run: Path, weights: str, seed: int) -> float:
    """Validation accuracy after the last epoch."""
    options = ["--data.root", str(faces), "--model.weights", weights, "--seed_everything", str(seed)]
    if affectzoo(["fit", "--config", str(RECIPE), *options, "--run_dir", str(run)]):
        raise SystemExit(1)
    with (run / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        return float([row for row in csv.DictReader(file) if row["valid/accuracy"]][-1]["valid/accuracy"])


def main() -> None:
    """Train and print accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="AffectNet in its newer layout")
    parser.add_argument("--per-class", type=int, default=25, help="training faces (default: %(default)s)")
    parser.add_argument(
        "--valid", type=int, default=100, help="validation faces per class (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="(default: %(default)s)")
    args = parser.parse_args()
    table = Table("start", *(f"seed {seed}" for seed in range(args.seeds)), "mean")
    with tempfile.TemporaryDirectory() as work:
        faces = Path(work) / "faces"
        write_faces(args.root, faces, {"train": args.per_class, "valid": args.valid})
        for name, weights in (("ferplus", "ferplus"), ("scratch", "null")):
            found = [accuracy(faces, Path(work) / f"{name}{s}", weights, s) for s in range(args.seeds)]
            table.add_row(name, *(f"{value:.3f}" for value in found), f"{np.mean(found):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
