"""Draw predictions into images, and show them as a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from affectzoo.console import visible
from affectzoo.errors import OptionError
from affectzoo.files.writing import write_bytes
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from rich.table import Table

    from affectzoo.faces.preprocess import Image

_COLOR = (255, 214, 64)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(image: Image, results: Sequence[FaceResult]) -> Image:
    """Draw each face's box, label and probability.

    Args:
        image: Shape (H, W, 3), RGB; it is not changed.
        results: Of this image.

    Returns:
        Shape (H, W, 3), RGB; small images are enlarged so that the text can be read.
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
        text = ", ".join(result.told())
        (text_width, text_height), below = cv2.getTextSize(text, _FONT, size, thick)
        left = int(np.clip(x0, 0, max(0, width - text_width)))
        base = y0 - below if y0 - below - text_height >= 0 else min(y1, height) - below
        corner = (left, base - text_height - thick), (left + text_width, base + below)
        cv2.rectangle(drawn, *corner, _COLOR, cv2.FILLED)
        cv2.putText(drawn, text, (left, base), _FONT, size, (0, 0, 0), thick, cv2.LINE_AA)
    return drawn  # type: ignore[return-value]


def drawing_paths(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Say where the drawing of each image goes: ``<name>.png``, numbered where several have one name.

    Args:
        names: The images' names, each once.
        folder: Where drawings go.

    Raises:
        OptionError: A drawing would overwrite one of the images.
    """
    paths: dict[str, Path] = {}
    taken: set[str] = set()
    originals = {os.path.realpath(name) for name in names}
    for name in names:
        stem, number = Path(name).stem, 1
        while (key := f"{stem}-{number}" if number > 1 else stem).casefold() in taken:
            number += 1
        taken.add(key.casefold())
        paths[name] = folder / f"{key}.png"
        if os.path.realpath(paths[name]) in originals:
            raise OptionError(f"{paths[name]} is one of the images; drawings need a folder of their own")
    return paths


def draw(image: Image, results: Sequence[FaceResult], path: Path) -> None:
    """Write an image with its predictions drawn in.

    Args:
        image: Shape (H, W, 3), RGB, 0..255.
        results: Its results.
        path: A ``.png`` file.

    Raises:
        OutputError: It cannot be written.
    """
    drawn = cv2.cvtColor(annotate(image, results), cv2.COLOR_RGB2BGR)
    write_bytes(path, cv2.imencode(".png", drawn)[1].tobytes())


def results_table(results: Sequence[FaceResult]) -> Table:
    """Predictions as a table, with the three likeliest classes of each face."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=False)
    table.add_column("file", overflow="fold")
    for column in ("prediction", "face (x0 y0 x1 y1)", "score", "next"):
        table.add_column(column, no_wrap=column != "prediction")
    for result in results:
        if result.error is not None:
            table.add_row(result.file, Text(visible(result.error), style="red"), "-", "-", "")
            continue
        ranked = sorted(result.probabilities.items(), key=lambda item: -item[1])
        box = "whole image" if result.box is None else " ".join(f"{edge:.0f}" for edge in result.box)
        score = "-" if result.score is None else f"{result.score:.2f}"
        others = ", ".join(f"{name} {share:.2f}" for name, share in ranked[1:3])
        table.add_row(result.file, ", ".join(result.told()), box, score, others)
    return table
