"""``affectzoo data stats``: what a data set holds, part by part: classes, affect, persons, clips, points.

Images are opened only for their sizes, and only a sample of them, which the result says.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.console import print_json, stdout
from affectzoo.datasets.index import SPLITS
from affectzoo.errors import UnreadableImageError
from affectzoo.files.videos import read_picture
from affectzoo.files.writing import alone_in, try_writing, write_json

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from affectzoo.datasets.index import FaceIndex

QUADRANTS = {
    (1, 1): "positive, active",
    (-1, 1): "negative, active",
    (-1, -1): "negative, calm",
    (1, -1): "positive, calm",
}
"""Signs of valence and arousal to the quadrant's name; 0 counts as positive."""


def statistics(index: FaceIndex, sample: int = 500) -> dict[str, Any]:
    """Describe a data set.

    Args:
        index: All its faces.
        sample: How many images to open for their sizes, drawn evenly at random, the same each time.

    Returns:
        JSON-ready: ``dataset``, ``faces``, ``left_out``, ``unused``, ``classes`` (names in order), ``splits``
        (for each part what ``describe`` says, and under ``all`` for the whole) and ``pictures`` (see
        ``sizes``).
    """
    table, names = index.table, () if index.labels is None else index.labels.names
    found = [split for split in SPLITS if (table["split"] == split).any()]
    parts = {split: describe(table[table["split"] == split], names) for split in found}
    return {
        "dataset": index.dataset,
        "faces": len(table),
        "left_out": dict(index.left_out),
        "unused": dict(index.unused),
        "classes": list(names),
        "splits": parts | {"all": describe(table, names)},
        "pictures": sizes(index, sample),
    }


def describe(table: pd.DataFrame, names: tuple[str, ...]) -> dict[str, Any]:
    """Describe some faces; what the data set does not have is excluded.

    Args:
        table: Rows of an index table.
        names: Its classes.

    Returns:
        ``faces``; ``classes``, faces and share of each, and ``without_class``; ``valence`` and ``arousal``,
        each with mean, sd (of a sample), min and max, their number of faces ``va_faces`` and ``quadrants``,
        shares; ``subjects`` and ``faces_per_subject``; ``clips`` and ``frames_per_clip``; ``boxes``, how
        many are known, and ``box_edge``, the longer one in pixels; ``landmarks``, faces by number of points.
    """
    found: dict[str, Any] = {"faces": len(table)}
    if names:
        counts = table["label"].value_counts()
        counted = {name: int(counts.get(name, 0)) for name in names}
        found["classes"] = {name: {"faces": n, "share": n / len(table)} for name, n in counted.items()}
        found["without_class"] = len(table) - sum(counted.values())
    va = affect(table)
    if len(va):
        for name, values in zip(("valence", "arousal"), va.T, strict=True):
            sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            found[name] = {"mean": float(values.mean()), "sd": sd}
            found[name] |= {"min": float(values.min()), "max": float(values.max())}
        found["va_faces"] = len(va)
        found["quadrants"] = quadrants(va)
    for column, many, per in (
        ("subject", "subjects", "faces_per_subject"),
        ("clip", "clips", "frames_per_clip"),
    ):
        counts = table[column].value_counts()
        if len(counts):
            found |= {many: len(counts), per: _spread(counts.to_numpy())}
    boxes = np.array([box for box in table["box"] if box is not None])
    if len(boxes):
        found |= {"boxes": len(boxes), "box_edge": _spread((boxes[:, 2:] - boxes[:, :2]).max(axis=1))}
    points = table["landmarks"].map(lambda marks: 0 if marks is None else len(marks)).value_counts()
    marks = {str(number): int(faces) for number, faces in points.sort_index().items() if number}
    return found | ({"landmarks": marks} if marks else {})


def affect(table: pd.DataFrame) -> np.ndarray:
    """Valence and arousal of the faces that have both, shape (N, 2)."""
    va = table[["valence", "arousal"]].to_numpy(np.float64, na_value=np.nan)
    known: np.ndarray = va[np.isfinite(va).all(axis=1)]
    return known


def quadrants(va: np.ndarray) -> dict[str, float]:
    """Share of each quadrant.

    Args:
        va: Valence and arousal, shape (N, 2), N at least 1.
    """
    signs = np.where(va < 0, -1, 1)
    return {name: float((signs == signs_of).all(axis=1).mean()) for signs_of, name in QUADRANTS.items()}


def sizes(index: FaceIndex, sample: int) -> dict[str, Any]:
    """Sizes of a sample of images.

    Args:
        index: All faces.
        sample: How many to open at most.

    Returns:
        ``sampled`` of ``of`` faces, ``unreadable`` among them, ``width`` and ``height`` (min, median, max),
        and ``sizes``, [width, height, how often] of each size.
    """
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(index))[:sample])
    seen: dict[tuple[int, int], int] = {}
    unreadable = 0
    columns = ["path", "frame", "digest", "pixels"]
    for path, frame, digest, pixels in index.table.iloc[rows][columns].itertuples(index=False):
        try:
            picture = read_picture(index.root / path, frame, digest) if pixels is None else pixels
        except UnreadableImageError:
            unreadable += 1
            continue
        size = (picture.shape[1], picture.shape[0])
        seen[size] = seen.get(size, 0) + 1
    found: dict[str, Any] = {"sampled": len(rows), "of": len(index), "unreadable": unreadable}
    if seen:
        every = np.repeat(np.array(list(seen)), list(seen.values()), axis=0)
        found |= {"width": _spread(every[:, 0]), "height": _spread(every[:, 1])}
    return found | {"sizes": [[*size, times] for size, times in sorted(seen.items())]}


def _spread(values: np.ndarray) -> dict[str, float]:
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}


def figures(index: FaceIndex, found: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw what there is to see: classes, valence and arousal, image sizes.

    Args:
        index: All faces.
        found: What ``statistics`` said of them.
        out: Folder for ``classes.png``, ``valence_arousal.png`` and ``sizes.png``.

    Returns:
        The files written.
    """
    from affectzoo import plots

    written = []
    parts = {split: part for split, part in found["splits"].items() if split != "all"}
    if found["classes"]:
        counts = {
            split: [entry["faces"] for entry in part["classes"].values()] for split, part in parts.items()
        }
        written.append(out / "classes.png")
        plots.class_figure(counts, found["classes"], written[-1], f"{index.dataset}: faces per class")
    known = {split: affect(index.table[index.table["split"] == split]) for split in parts}
    known = {split: va for split, va in known.items() if len(va)}
    if known:
        shares = {split: quadrants(va) for split, va in known.items()}
        written.append(out / "valence_arousal.png")
        plots.circumplex_figure(known, shares, written[-1], f"{index.dataset}: valence and arousal")
    pictures = found["pictures"]
    if len(pictures["sizes"]) > 1:
        title = f"{index.dataset}: sizes of {pictures['sampled']:,} of {pictures['of']:,} images"
        written.append(out / "sizes.png")
        plots.size_figure(np.array(pictures["sizes"]), written[-1], title)
    return written


def statistics_table(found: Mapping[str, Any]) -> Table:
    """``statistics`` as a table for people: a row per measure, a column per part."""
    from rich.table import Table

    parts = dict(found["splits"])
    if len(parts) == 2:  # one part is all
        del parts["all"]
    title = f"{found['dataset']}: {found['faces']:,} faces"
    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("")
    for split in parts:
        table.add_column(split, justify="right")
    columns = [_lines(part) for part in parts.values()]
    for measure in dict.fromkeys(measure for column in columns for measure in column):
        table.add_row(measure, *(column.get(measure, "") for column in columns))
    return table


def _lines(part: Mapping[str, Any]) -> dict[str, str]:
    """What ``describe`` says, as measure and text."""
    lines = {"faces": f"{part['faces']:,}"}
    for name, entry in part.get("classes", {}).items():
        lines[f"  {name}"] = f"{entry['faces']:,} ({entry['share']:.1%})"
    if part.get("without_class"):
        lines["  no single class"] = f"{part['without_class']:,}"
    if "va_faces" in part:
        lines["with valence and arousal"] = f"{part['va_faces']:,}"
        for name in ("valence", "arousal"):
            values = part[name]
            lines[f"  {name}: mean ± sd"] = f"{values['mean']:+.3f} ± {values['sd']:.3f}"
            lines[f"  {name}: range"] = f"{values['min']:+.3f} to {values['max']:+.3f}"
        lines |= {f"  {name}": f"{share:.1%}" for name, share in part["quadrants"].items()}
    for many, per in (("subjects", "faces_per_subject"), ("clips", "frames_per_clip")):
        if many in part:
            lines |= {many: f"{part[many]:,}", f"  {per.replace('_', ' ')}": _range(part[per])}
    if "boxes" in part:
        lines |= {"with face box": f"{part['boxes']:,}", "  longer edge, px": _range(part["box_edge"])}
    for number, faces in part.get("landmarks", {}).items():
        lines[f"with {number} landmarks"] = f"{faces:,}"
    return lines


def _range(spread: Mapping[str, float]) -> str:
    return f"{spread['min']:,.5g} / {spread['median']:,.5g} / {spread['max']:,.5g}"


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo data stats``."""
    from affectzoo.evaluation.source import options, read

    if args.out is not None:
        try_writing(args.out / "stats.json")
    # some readers read landmarks only for a model that takes them
    index = read(args.name, args.root, **{"landmarks": 68, **options(args.set)})
    found = statistics(index)
    written: list[Path] = []
    if args.out is not None:
        with alone_in(args.out):
            written = [args.out / "stats.json", *figures(index, found, args.out)]
            write_json(written[0], found)
    if args.json:
        print_json(found)
        return
    console = stdout()
    console.print(statistics_table(found))
    for kind, reasons in (("excluded", found["left_out"]), ("seen and not used", found["unused"])):
        for reason, count in sorted(reasons.items()):
            console.print(f"{kind}: {reason}: {count:,}")
    pictures = found["pictures"]
    bad = f", {pictures['unreadable']} unreadable" if pictures["unreadable"] else ""
    spans = (
        f": width {_range(pictures['width'])}, height {_range(pictures['height'])} px"
        if pictures["sizes"]
        else ""
    )
    console.print(f"images: {pictures['sampled']:,} of {pictures['of']:,} opened{bad}{spans}")
    console.print("a / b / c: minimum, median, maximum")
    if written:
        console.print(f"written: {', '.join(map(str, written))}", soft_wrap=True)
