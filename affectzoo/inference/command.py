"""``affectzoo predict``: find the images, predict, keep rows as they come, tell what was done."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from affectzoo.console import stderr, stdout, visible
from affectzoo.errors import UnreadableImageError
from affectzoo.faces.detect import make_detector
from affectzoo.files.writing import try_writing
from affectzoo.inference.inputs import Source, Sources, find, told_unused
from affectzoo.inference.prediction import DEFAULT_MODEL, Predictor
from affectzoo.inference.render import draw, drawing_paths, results_table
from affectzoo.inference.results import UNREADABLE, FaceResult, Row, columns, json_list
from affectzoo.inference.unfinished import UnfinishedRun
from affectzoo.weights.tensors import fingerprint
from affectzoo.zoo.loading import load


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo predict``.

    Raises:
        AffectZooError: It cannot be done as asked; or, with all else done, inputs could not be read.
    """
    if args.out is not None:
        try_writing(args.out)
    found = find(args.inputs)
    images = _once(found)
    drawings = {} if args.render is None else drawing_paths([source.name for source in images], args.render)
    for path in list(drawings.values())[:1]:
        try_writing(path)
    predictor = _predictor(args)
    with ExitStack() as stack:
        kept = None
        if args.out is not None:
            kept = stack.enter_context(UnfinishedRun(args.out, _facts(predictor), args.resume))
        results: list[FaceResult] = []
        for source, faces in _predictions(predictor, images, kept):
            if source.name in drawings:
                draw(source, faces, drawings[source.name])
            if kept is None:
                results += faces
            else:
                kept.add(source.name, [face.to_row() for face in faces])
        if kept is not None:
            kept.finish(columns(predictor.model.labels))
        if args.json:
            rows = (result.to_row() for result in results) if kept is None else kept.rows()
            sys.stdout.writelines(json_list(rows, ascii_only=True))
        elif kept is None:
            stdout().print(results_table(results))
        tally = _Tally(result.to_row() for result in results) if kept is None else _Tally(kept.rows())
    written = ", ".join(str(path) for path in (args.out, args.render) if path is not None)
    told = [f"{tally.faces:,} faces in {len(images):,} images, {tally.unreadable:,} unreadable"]
    told += [text for text in (told_unused(found.unused), written and f"written: {written}") if text]
    print(visible("; ".join(told)), file=sys.stderr)
    if tally.unreadable:
        more = f"; {tally.unreadable - 1:,} more in the column error" if tally.unreadable > 1 else ""
        raise UnreadableImageError(f"{tally.first}{more}")


def _once(found: Sources) -> list[Source]:
    """Take each image once, however often it was named."""
    images: dict[str, Source] = {}
    for source in found.images:
        found.unused["named twice"] += source.name in images
        images.setdefault(source.name, source)
    return list(images.values())


def _predictor(args: argparse.Namespace) -> Predictor:
    model = (
        load(args.weights or DEFAULT_MODEL) if args.model is None else load(args.model, weights=args.weights)
    )
    return Predictor(
        model,
        make_detector(args.detector, args.detector_file),
        device=args.device,
        batch_size=args.batch_size,
        min_score=args.min_score,
    )


def _facts(predictor: Predictor) -> dict[str, Any]:
    """What rows depend on: a run with other facts is not gone on with."""
    return {
        "model": predictor.model.arch,
        "weights": fingerprint(predictor.model.state_dict()),
        "detector": predictor.detector.name,
        "min_score": predictor.min_score,
    }


def _predictions(
    predictor: Predictor, images: list[Source], kept: UnfinishedRun | None
) -> Iterator[tuple[Source, list[FaceResult]]]:
    """Predict on the images that have no rows yet; an interrupted run says how to go on."""
    waiting = [source for source in images if kept is None or source.name not in kept.done]
    shown = _with_progress(waiting, f"{predictor.model.arch}, {predictor.detector.name}")
    try:
        yield from zip(waiting, predictor.stream(shown), strict=True)
    except (KeyboardInterrupt, SystemExit):
        if kept is not None and kept.done:
            print(visible(f"affectzoo: {kept.kept()}"), file=sys.stderr)
        raise


def _with_progress(images: list[Source], description: str) -> Iterable[Source]:
    """Yield the images, with a bar on screen that says how far one is."""
    if not sys.stderr.isatty():
        return images
    from rich.progress import track

    return track(images, description=visible(description), console=stderr(), transient=True)


class _Tally:
    """Count faces and unreadable images, and remember the first of these."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.faces = self.unreadable = 0
        self.first = ""
        for row in rows:
            error = row["error"]
            self.faces += error is None
            if error is not None and error.startswith(UNREADABLE):
                self.unreadable += 1
                self.first = self.first or error.removeprefix(UNREADABLE)
