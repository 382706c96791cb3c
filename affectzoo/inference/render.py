"""Predictions drawn into pictures, and as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from affectzoo.console import visible
from affectzoo.files.images import read_image
from affectzoo.inference.prediction import FaceResult

if TYPE_CHECKING:
    from rich.table import Table

    from affectzoo.faces.preprocess import Image

_COLOR = (255, 214, 64)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(image: Image, results: Sequence[FaceResult]) -> Image:
    """Draw each face's box, label and probability.

    Args:
        image: Shape (H, W, 3), RGB; it is not changed.
        results: Of this picture.

    Returns:
        Shape (H, W, 3), RGB; small pictures are enlarged so that the text can be read.
    """
    scale = max(1.0, 320 / max(image.shape[:2]))
    drawn = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    height, width = drawn.shape[:2]
    thick = max(1, round(max(height, width) / 400))
    size = 0.0017 * max(height, 320) * 0.75
    for result in results:
        if result.error is not None:
            continue
        box = result.box or (0, 0, image.shape[1], image.shape[0])
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), _COLOR, thick)
        text = ", ".join(_says(result))
        (text_width, text_height), below = cv2.getTextSize(text, _FONT, size, thick)
        left = int(np.clip(x0, 0, max(0, width - text_width)))
        base = y0 - below if y0 - below - text_height >= 0 else min(y1, height) - below
        corner = (left, base - text_height - thick), (left + text_width, base + below)
        cv2.rectangle(drawn, *corner, _COLOR, cv2.FILLED)
        cv2.putText(drawn, text, (left, base), _FONT, size, (0, 0, 0), thick, cv2.LINE_AA)
    return drawn  # type: ignore[return-value]


def _says(result: FaceResult) -> list[str]:
    says = [] if result.label is None else [f"{result.label} {result.probabilities[result.label]:.2f}"]
    values = {"valence": result.valence, "arousal": result.arousal}
    return says + [f"{name} {value:+.2f}" for name, value in values.items() if value is not None]


def render_results(results: Sequence[FaceResult], folder: Path) -> list[Path]:
    """Write each readable picture with its predictions drawn in.

    Args:
        results: Of files, pictures in a row.
        folder: Where to; pictures of the same name get a number.

    Returns:
        The files written, ``<name>.png`` each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for file, group in groupby(results, key=lambda result: result.file):
        of_file = list(group)
        if (of_file[0].error or "").startswith("unreadable"):
            continue
        path = folder / f"{Path(file).stem}.png"
        number = 1
        while path in written:
            number += 1
            path = folder / f"{Path(file).stem}-{number}.png"
        image = annotate(read_image(Path(file)), of_file)
        done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not done:
            raise OSError(f"{path}: the picture cannot be encoded")
        path.write_bytes(data.tobytes())
        written.append(path)
    return written


def results_table(results: Sequence[FaceResult]) -> Table:
    """Predictions as a table, with the three likeliest classes of each face."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=False)
    table.add_column("file", overflow="fold")
    for column in ("face (x0 y0 x1 y1)", "score", "prediction", "next"):
        table.add_column(column, no_wrap=True)
    for result in results:
        if result.error is not None:
            table.add_row(result.file, "-", "-", Text(visible(result.error), style="red"), "")
            continue
        ranked = sorted(result.probabilities.items(), key=lambda item: -item[1])
        box = "whole picture" if result.box is None else " ".join(f"{edge:.0f}" for edge in result.box)
        score = "-" if result.score is None else f"{result.score:.2f}"
        others = ", ".join(f"{name} {share:.2f}" for name, share in ranked[1:3])
        table.add_row(result.file, box, score, ", ".join(_says(result)), others)
    return table
