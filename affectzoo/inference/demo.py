"""``affectzoo demo``: the main job on what is bundled, without data set, network or GPU."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.datasets.folder import read_folder
from affectzoo.evaluation.evaluate import evaluation_table, measure, write_evaluation
from affectzoo.faces.detect import make_detector
from affectzoo.files.images import read_image
from affectzoo.inference.prediction import predict
from affectzoo.inference.render import draw
from affectzoo.inference.results import columns, write_rows
from affectzoo.inference.tally import results_table
from affectzoo.registry import DEFAULT_MODEL
from affectzoo.store import ASSETS
from affectzoo.zoo.listing import measured_on
from affectzoo.zoo.loading import load

if TYPE_CHECKING:
    from rich.console import Console

PHOTOGRAPH = ASSETS / "demo" / "astronaut.jpg"
RENDERED = ASSETS / "demo" / "rendered"


def demo(folder: Path, console: Console) -> None:
    """Predict on a photograph, draw the result, and measure the bundled model on rendered faces.

    Args:
        folder: Where images, tables and JSON go.
        console: What the summary is printed on.
    """
    start = time.perf_counter()
    model = load(DEFAULT_MODEL)
    detector = make_detector("auto")
    results = predict(PHOTOGRAPH, model, detector)
    for name in ("predictions.csv", "predictions.json"):
        write_rows((result.to_row() for result in results), columns(model.labels), folder / name)
    drawn = folder / f"{PHOTOGRAPH.stem}.png"
    draw(read_image(PHOTOGRAPH), results, drawn)
    console.print(
        "1. A photograph (E. Collins, NASA, public domain), detector " + detector.name, style="bold"
    )
    console.print(results_table([replace(result, file=PHOTOGRAPH.name) for result in results]))

    index = read_folder(RENDERED)
    record, tables = measure(model, index, name=DEFAULT_MODEL)
    title = f"{DEFAULT_MODEL} on {len(index)} rendered faces"
    write_evaluation(folder / "rendered", record, tables, title)
    console.print("2. A measurement on computer graphics, which says nothing of real faces", style="bold")
    console.print(evaluation_table(record, title))
    for metric in model.describe().metrics:
        console.print(
            f"On real faces ({measured_on(metric)}, {metric['faces']:,}): "
            f"accuracy {metric['accuracy']:.4f}, as measured when the weights were published."
        )
    console.print(f"images, tables, JSON: {folder} (open {drawn})", highlight=False)
    console.print(f"done in {time.perf_counter() - start:.0f} s", highlight=False)
