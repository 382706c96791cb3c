"""``affectzoo features``: features of faces as a table and as an image in two dimensions.

The image is for what Li and Deng, TIP 2019, show of learned features in Fig. 9: whether they tell apart not
only classes but also strong expressions and weak ones.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affectzoo.benchmark.features import library
from affectzoo.benchmark.features.classical import FEATURES
from affectzoo.benchmark.features.deep import Layer, layer_names
from affectzoo.benchmark.features.extraction import extract_features
from affectzoo.console import print_json, stderr, stdout
from affectzoo.datasets.ids import ids
from affectzoo.datatools.stats import QUADRANTS
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.source import options, read, roots
from affectzoo.files.writing import alone_in, try_writing, writing
from affectzoo.labels import CODES
from affectzoo.plots import features_figure
from affectzoo.zoo.loading import load

if TYPE_CHECKING:
    from affectzoo.benchmark.features.extraction import Extractor, Floats
    from affectzoo.datasets.index import FaceIndex

COMPONENTS = 50
"""Principal components that t-SNE starts from."""

DRAWN = 3000
"""Most faces in an image; more take t-SNE long and hide one another."""


def project(features: Floats, seed: int = 0) -> Floats:
    """Place faces in a plane so that those with similar features are near each other: PCA, then t-SNE.

    Args:
        features: Shape (N, D), N at least 4.
        seed: The same seed gives the same image.

    Returns:
        Shape (N, 2).

    Raises:
        AffectZooError: There are fewer faces.
    """
    if len(features) < 4:
        raise AffectZooError(f"a projection of {len(features)} faces says nothing; take at least 4")
    if min(features.shape) > COMPONENTS:
        pca = library("sklearn.decomposition").PCA(COMPONENTS, random_state=seed)
        features = pca.fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    tsne = library("sklearn.manifold").TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    points: Floats = tsne.fit_transform(features)
    return points


def shares(index: FaceIndex) -> Floats:
    """The annotators' share of each face's class, shape (N,); NaN for faces without class.

    Of all votes, those for no class among them, where votes are known; else of the target.
    """
    columns = {name: code for code, name in CODES.get(index.dataset, {}).items()}
    found = np.full(len(index), np.nan, np.float32)
    table = index.table
    for i, (label, votes, target) in enumerate(
        zip(table["label"], table["votes"], table["target"], strict=True)
    ):
        if votes is not None and label in columns:
            found[i] = votes[columns[label]] / votes.sum()
        elif index.labels is not None and label is not None and target is not None:
            found[i] = target[index.labels.index(label)]
    return found


def affect(index: FaceIndex) -> Floats:
    """Valence and arousal, shape (N, 2); NaN where not annotated."""
    return index.table[["valence", "arousal"]].to_numpy(np.float32, na_value=np.nan)


def class_names(index: FaceIndex) -> list[str]:
    """Each face's class or, of data without classes, the quadrant of its valence and arousal."""
    if index.labels is not None:
        return ["no single class" if label is None else label for label in index.table["label"]]
    return [
        "not annotated" if np.isnan([v, a]).any() else QUADRANTS[-1 if v < 0 else 1, -1 if a < 0 else 1]
        for v, a in affect(index)
    ]


def intensity(index: FaceIndex) -> tuple[Floats | None, str]:
    """How strong each face's expression is, shape (N,), and what that is.

    The annotators' share of its class where they disagree, else the distance from neutral valence and
    arousal, else nothing.
    """
    share, va = shares(index), affect(index)
    if (share < 1).any():
        return share, "share of the annotators"
    if np.isfinite(va).any():
        return np.hypot(va[:, 0], va[:, 1]), "distance from neutral"
    return None, ""


def write_features(index: FaceIndex, features: Floats, path: Path) -> None:
    """Write features as a Parquet table.

    Args:
        index: The faces.
        features: Shape (N, D).
        path: Gets a row per face: ``id`` (see ``affectzoo.datasets.ids``), ``label``, ``share`` (the
            annotators' of that class), ``valence``, ``arousal`` and ``features``, a list of D numbers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    va = affect(index)
    values = pa.array(np.ascontiguousarray(features, np.float32).ravel())
    columns = {
        "id": pa.array(ids(index), pa.string()),
        "label": pa.array(list(index.table["label"]), pa.string()),
        **{
            name: pa.array(column, pa.float32(), from_pandas=True)
            for name, column in (("share", shares(index)), ("valence", va[:, 0]), ("arousal", va[:, 1]))
        },
        "features": pa.FixedSizeListArray.from_arrays(values, features.shape[1]),
    }
    with writing(path) as part, part.open("wb") as file:  # a path may not be UTF-8
        pq.write_table(pa.table(columns), file)


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo features``.

    Raises:
        AffectZooError: There is no such model, layer or data set, or its faces lack what the features need.
    """
    extractor = _extractor(args.model, args.layer)
    if args.layer == "list" and isinstance(extractor, Layer):
        layers = layer_names(extractor.model)
        if args.json:
            print_json(layers)
        else:
            print("\n".join(layers))
        return
    if args.data is None or args.out is None:
        raise AffectZooError("say which faces, --data NAME=DIR, and where to write, --out DIR")
    ((name, folder),) = roots("--data", [args.data]).items()
    given = {"landmarks": extractor.landmarks, **options(args.set)}
    index = read(name, folder, **given).part(args.split)
    index = index.rows(index.drawn(args.limit)).with_landmarks(extractor.landmarks)
    written = [args.out / "features.parquet", args.out / "features.png"]
    with alone_in(args.out):
        for path in written:
            try_writing(path)
        features, known = _watched(extractor, index, args.model)
        unreadable = {"unreadable": int((~known).sum())} if not known.all() else {}
        index = replace(index.rows(known), left_out={**index.left_out, **unreadable})
        write_features(index, features, written[0])
        what = f"{args.model}{f', layer {args.layer}' if args.layer else ''}: {index.dataset}, {args.split}"
        _draw(index, features, written[1], what)
    report = {
        "model": args.model,
        "layer": args.layer,
        "data": index.dataset,
        "split": args.split,
        "faces": len(index),
        "dimensions": features.shape[1],
        "left_out": dict(index.left_out),
        "written": [str(path) for path in written],
    }
    if args.json:
        print_json(report)
        return
    screen = stdout()
    screen.print(f"{what}: {len(index):,} faces, {features.shape[1]:,} dimensions", soft_wrap=True)
    for reason, count in sorted(index.left_out.items()):
        screen.print(f"excluded: {reason}: {count:,}", soft_wrap=True)
    screen.print(f"written: {', '.join(report['written'])}", soft_wrap=True)


def _extractor(name: str, layer: str | None) -> Extractor:
    if name not in FEATURES:
        return Layer(load(name), layer)
    if layer is not None:
        raise AffectZooError(f"{name} is computed without a network: there is no layer {layer}")
    return FEATURES[name]


def _watched(extractor: Extractor, index: FaceIndex, name: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    from rich.progress import Progress

    with Progress(console=stderr(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name, total=1.0)

        def told(share: float) -> None:
            bar.update(task, completed=share)

        return extract_features(extractor, index, on_unreadable="skip", progress=told)


def _draw(index: FaceIndex, features: Floats, path: Path, what: str) -> None:
    chosen = index.drawn(DRAWN)
    shown = index.rows(chosen)
    strength, name = intensity(shown)
    title = f"{what}, {len(shown):,} faces" + (f" of {len(index):,}" if len(shown) < len(index) else "")
    features_figure(project(features[chosen]), class_names(shown), strength, path, title, name)
