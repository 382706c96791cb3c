"""What recurrence is for: frame models against recurrent ones, on labels of the moment and lagged ones.

The labels of rendered clips follow from each frame alone, so that what came before tells nothing. People's
traces lag behind what is shown and are smooth (``affectzoo.labeltools.annotator``). Steps, each of which goes
on where it was stopped:

    python benchmarks/lag.py make --root CLIPS --out LAGGED          # lagged labels beside the same images
    python benchmarks/lag.py run --root CLIPS --lagged LAGGED --out runs/lag
    python benchmarks/lag.py cnn --root CLIPS --lagged LAGGED --stills RUN --out runs/lag
    python benchmarks/lag.py table --out runs/lag

``run`` puts the zoo's recurrent layers, CCC loss and whole clips on three cheap inputs: features of a
bundled CNN that stays as it is, the shape of the 68 landmarks and, as an oracle, the true valence and
arousal of each frame, with which only the lag is left to learn. ``cnn`` trains the recipes
``resnet18/afewva`` and ``cnn_gru/afewva`` from a run of ``recipes/resnet18/affectnet.yaml``, on all five
folds, and leaves its records in its runs' folders, which ``table`` does not read; no such training was run
so far. Options: ``--seeds 3``, of ``run`` alone ``--folds 5`` (how many of the five folds are test parts in
turn), of ``run`` and ``table`` ``--epochs 20``.
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from affectzoo.benchmark.features.deep import Layer
from affectzoo.benchmark.features.extraction import extract_features
from affectzoo.cli import main as affectzoo
from affectzoo.console import counted
from affectzoo.datasets.afewva import SCALE, read_afewva
from affectzoo.datasets.index import FaceIndex
from affectzoo.labeltools import Annotator
from affectzoo.losses.va import ccc_loss
from affectzoo.metrics.va import VAMetrics
from affectzoo.models.cnn_rnn import RecurrentTrunk
from affectzoo.zoo.loading import load

RATE = 25
"""Frames per second of the rendered clips."""
ANNOTATOR = Annotator(delay=0.32, smoothing=0.32, noise=0.03)
"""Clips of 30 to 50 frames have no room for the seconds that people need: eight frames each."""
LABELS, INPUTS, MODELS = ("moment", "lagged"), ("features", "shape", "oracle"), ("frames", "gru")
CNN = "mobilenet_v1.multitask"
"""Whose features of a frame are an input: it never saw the clips."""
WIDTH = 128
BATCH = 12
"""Clips per step, as in the recipe."""


def make(root: Path, out: Path, annotator: Annotator) -> None:
    """Write clips whose labels an annotator would give; images are links to the same files."""
    for seed, path in enumerate(sorted(root.glob("[0-9][0-9][0-9]/*.json"))):
        target = out / path.parent.name
        if (target / path.name).exists():
            continue
        target.mkdir(parents=True, exist_ok=True)
        for image in (file for file in path.parent.iterdir() if file.suffix != ".json"):
            if not (target / image.name).exists():
                _link(image, target / image.name)
        content = json.loads(path.read_text(encoding="utf-8"))
        frames = [content["frames"][key] for key in sorted(content["frames"])]
        shown = np.array([[frame[name] / SCALE for name in ("valence", "arousal")] for frame in frames])
        for frame, (valence, arousal) in zip(frames, annotator.annotate(shown, RATE, seed), strict=True):
            frame |= {"valence": round(SCALE * valence), "arousal": round(SCALE * arousal)}
        part = target / f"{path.name}.part"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(target / path.name)  # the last file of a clip: it is there when all is


def _link(image: Path, target: Path) -> None:
    try:
        os.link(image, target)
    except OSError:  # another disk
        shutil.copyfile(image, target)


class FrameTrunk(nn.Module):
    """One fully connected layer on a frame's numbers, as on pooled features."""

    feature_dim, landmarks, start = WIDTH, 0, None

    def __init__(self, inputs: int) -> None:
        """Build it; ``inputs`` is how many numbers a frame has."""
        super().__init__()
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, frame: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Features, shape (B, WIDTH), of frames, shape (B, inputs, 1, 1)."""
        features: torch.Tensor = self.fc(frame)
        return features


def network(model: str, inputs: int) -> nn.Module:
    """A network from windows, shape (B, T, inputs, 1, 1), to values, shape (B, T, 2)."""
    frames = FrameTrunk(inputs)
    if model == "gru":
        return nn.Sequential(RecurrentTrunk(frames, "frames", "gru", WIDTH, 2, 0.2), nn.Linear(WIDTH, 2))
    return nn.Sequential(_PerFrame(frames), nn.Linear(WIDTH, 2))


class _PerFrame(nn.Module):
    def __init__(self, frames: nn.Module) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.frames(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        return features


def numbers(index: FaceIndex, kind: str, kept: Path) -> np.ndarray:
    """What a network sees of each frame, shape (N, D); features are computed once and kept in a folder."""
    if kind == "features":
        path = kept / f"features-{CNN}.npy"
        if not path.exists():
            found, answered = extract_features(Layer(load(CNN)), index)
            assert answered.all(), "frames without features"
            kept.mkdir(parents=True, exist_ok=True)
            np.save(path, found)
        return np.load(path)
    if kind == "oracle":
        return index.table[["valence", "arousal"]].to_numpy(np.float32)
    points = np.stack(index.table["landmarks"].to_list()).astype(np.float32)
    points -= points.mean(axis=1, keepdims=True)
    points /= np.sqrt((points**2).mean(axis=(1, 2), keepdims=True))
    return points.reshape(len(points), -1)


def clips(seen: np.ndarray, index: FaceIndex, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole clips, shape (C, T, D, 1, 1), and their values, shape (C, T, 2), NaN where a clip has ended."""
    table = index.table[chosen]
    rows = [clip.sort_values("frame").index.to_list() for _, clip in table.groupby("clip", sort=True)]
    length = max(map(len, rows))
    inputs = torch.zeros(len(rows), length, seen.shape[1], 1, 1)
    values = torch.full((len(rows), length, 2), torch.nan)
    truth = index.table[["valence", "arousal"]].to_numpy(np.float32)
    for place, own in enumerate(rows):
        inputs[place, : len(own), :, 0, 0] = torch.from_numpy(seen[own])
        values[place, : len(own)] = torch.from_numpy(truth[own])
    return inputs, values


def train(model: str, seen: np.ndarray, index: FaceIndex, epochs: int, seed: int) -> dict[str, float]:
    """Train by a schedule fixed beforehand; the CCC over the frames of the test part."""
    torch.manual_seed(seed)
    learn = (index.table["split"] == "train").to_numpy()
    mean, spread = seen[learn].mean(axis=0), seen[learn].std(axis=0)
    seen = (seen - mean) / np.where(spread > 1e-3, spread, 1.0)  # features that are at rest stay so
    inputs, values = clips(seen, index, learn)
    net = network(model, seen.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    steps = epochs * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.2)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            loss = ccc_loss(net(inputs[batch]).flatten(0, 1), values[batch].flatten(0, 1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    net.eval()
    inputs, values = clips(seen, index, ~learn)
    metrics = VAMetrics(("valence", "arousal"))
    with torch.no_grad():
        metrics.update(net(inputs).flatten(0, 1), values.flatten(0, 1))
    return {name: float(value) for name, value in metrics.compute().items() if "ccc" in name}


def run(root: Path, lagged: Path, out: Path, folds: int, seeds: int, epochs: int) -> None:
    """Train each pair of input, labels, model, fold and seed that is not there yet."""
    for fold, labels in product(range(folds), LABELS):
        shown = read_afewva(root, fold)
        index = shown if labels == "moment" else read_afewva(lagged, fold)
        same = ["clip", "frame", "split"]
        assert shown.table[same].equals(index.table[same]), f"{lagged} has other frames than {root}"
        for kind, model, seed in product(INPUTS, MODELS, range(seeds)):
            path = out / f"{kind}-{labels}-{model}-fold{fold}-seed{seed}-epochs{epochs}.json"
            if not path.exists():
                found = train(model, numbers(shown, kind, out), index, epochs, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(found), encoding="utf-8")


def cnn(root: Path, lagged: Path, stills: Path, out: Path, seeds: int) -> None:
    """Train the recipes on both kinds of labels; what was stopped goes on with folds that are not done."""
    recipes = Path(__file__).parents[1] / "recipes"
    for seed, (labels, data) in product(range(seeds), zip(LABELS, (root, lagged), strict=True)):
        frames, recurrent = (out / f"cnn-{labels}-{model}-seed{seed}" for model in MODELS)
        common = ["--data.root", str(data), "--seed_everything", str(seed)]
        common += ["--model.landmarks", "false"]
        for recipe, start, place in (
            ("resnet18", str(stills), frames),
            ("cnn_gru", f"{frames}/fold_{{fold}}", recurrent),
        ):
            command = ["cross-validate", "--config", str(recipes / recipe / "afewva.yaml"), *common]
            if affectzoo([*command, "--model.weights", start, "--run_dir", str(place)]):
                raise SystemExit(f"stopped: affectzoo {' '.join(command)}")


def table(out: Path, epochs: int) -> Table:
    """Mean and standard deviation over folds, of the mean over seeds, of the CCC of valence and arousal."""
    shown = Table(title="CCC over the frames of held-out actors, mean of valence and arousal")
    for name in ("input", "model", *LABELS):
        shown.add_column(name)
    for kind, model in product(INPUTS, MODELS):
        cells = [_cell(list(_folds(out, f"{kind}-{labels}-{model}-fold", epochs))) for labels in LABELS]
        shown.add_row(kind, model, *cells)
    return shown


def _folds(out: Path, prefix: str, epochs: int) -> Iterator[float]:
    """The mean over seeds, by fold."""
    by_fold: dict[str, list[float]] = {}
    for path in sorted(out.glob(f"{prefix}*-epochs{epochs}.json")):
        fold = path.name.removeprefix(prefix).partition("-")[0]
        found = json.loads(path.read_text(encoding="utf-8"))
        by_fold.setdefault(fold, []).append((found["ccc_valence"] + found["ccc_arousal"]) / 2)
    yield from (float(np.mean(values)) for values in by_fold.values())


def _cell(folds: list[float]) -> str:
    spread = f" ± {np.std(folds, ddof=1):.3f}" if len(folds) > 1 else ""
    return f"{np.mean(folds):.3f}{spread} ({counted(len(folds), 'fold')})" if folds else "-"


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("make", "run", "cnn", "table"))
    for name in ("--root", "--lagged", "--stills", "--out"):
        parser.add_argument(name, type=Path)
    for name, default in (("--folds", 5), ("--seeds", 3), ("--epochs", 20)):
        parser.add_argument(name, type=int, default=default)
    for name, value in asdict(ANNOTATOR).items():
        parser.add_argument(f"--{name}", type=float, default=value)
    args = parser.parse_args()
    if args.step == "make":
        own = {name: getattr(args, name) for name in asdict(ANNOTATOR)}
        make(args.root, args.out, replace(ANNOTATOR, **own))
    elif args.step == "run":
        run(args.root, args.lagged, args.out, args.folds, args.seeds, args.epochs)
    elif args.step == "cnn":
        cnn(args.root, args.lagged, args.stills, args.out, args.seeds)
    if args.step in ("run", "table"):
        Console().print(table(args.out, args.epochs))


if __name__ == "__main__":
    main()
