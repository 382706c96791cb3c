"""``affectzoo predict``: find the inputs, predict, keep rows as they come, tell what was done."""

from __future__ import annotations

import argparse
import math
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Any

from affectzoo.cluster import check_engine, on_ray
from affectzoo.console import stdout, visible
from affectzoo.errors import UnreadableImageError, WeightsError
from affectzoo.faces.detect import SEARCH_SIZE, Detection, make_detector
from affectzoo.files.writing import try_writing
from affectzoo.inference.backend import load_model
from affectzoo.inference.filming import camera_frames
from affectzoo.inference.frames import Frame
from affectzoo.inference.inputs import Source, Sources, find, told_unused
from affectzoo.inference.prediction import Predictor
from affectzoo.inference.progress import with_progress
from affectzoo.inference.render import Drawings
from affectzoo.inference.results import FaceResult, Row, json_list
from affectzoo.inference.tally import Tally, Tracks, results_table
from affectzoo.inference.unfinished import UnfinishedRun
from affectzoo.metrics.columns import BOX
from affectzoo.registry import DEFAULT_MODEL


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo predict``.

    Raises:
        AffectZooError: It cannot be done as asked; or, with all else done, inputs could not be read.
    """
    check_engine(args.engine)
    if args.out is not None:
        try_writing(args.out)
    found = find(args.inputs)
    sources = _once(found) if args.camera is None else [Source(f"camera {args.camera}", video=True)]
    drawings = None if args.render is None else Drawings(sources, args.render)
    predictor = _predictor(args, None if args.engine == "ray" else args.device)
    with ExitStack() as stack:
        if drawings is not None:
            stack.enter_context(drawings)
        kept = None
        if args.out is not None:
            kept = stack.enter_context(_kept(args, predictor))
        tally = Tally(() if kept is None else kept.rows())
        shown = _Shown(args.json)
        if args.camera is None:
            results = _predictions(args, predictor, sources, kept)
        else:
            frames = stack.enter_context(camera_frames(args.camera))
            results = _filmed(predictor, frames, sources[0].name, args.seconds, images=drawings is not None)
        if kept is not None and args.camera is not None:
            stack.enter_context(_finished_when_terminated(kept, predictor))
        for frame, faces in results:
            if drawings is not None:
                drawings.add(frame, faces)
            rows = [face.to_row() for face in faces]
            tally.add(rows)
            if kept is None:
                shown.add(faces, rows, frame.source.video)
            else:
                kept.add(frame.source.name, rows, ends=frame.ends)
        if kept is not None:
            kept.finish(predictor.columns)
        if args.json:
            sys.stdout.writelines(json_list(shown.rows if kept is None else kept.rows(), ascii_only=True))
        elif kept is None:
            shown.print()
    videos = sum(source.video for source in sources)
    told = [tally.told(len(sources) - videos, videos), told_unused(found.unused), _written(args)]
    print(visible("; ".join(text for text in told if text)), file=sys.stderr)
    if tally.unreadable:
        where = "in the table" if args.out is None and not args.json else "in the column error"
        more = f"; {tally.unreadable - 1:,} more {where}" if tally.unreadable > 1 else ""
        raise UnreadableImageError(f"{tally.first}{more}")


def _once(found: Sources) -> list[Source]:
    """Take each input once, however often it was named."""
    sources: dict[str, Source] = {}
    for source in found.found:
        found.unused["named twice"] += source.name in sources
        sources.setdefault(source.name, source)
    return list(sources.values())


def _predictor(args: argparse.Namespace, device: str | None) -> Predictor:
    if args.model is None:
        model = load_model(args.weights or DEFAULT_MODEL, backend=args.backend)
    else:
        model = load_model(args.model, args.weights, args.backend)
    return Predictor(
        model,
        make_detector(args.detector, args.detector_file, args.search_size),
        device=device,
        batch_size=args.batch_size,
        min_score=args.min_score,
        min_face=args.min_face,
        every=args.every,
        fps=args.fps,
        smooth=args.smooth,
        landmarks=args.landmarks,
        balance=args.balance,
        abstain=args.abstain,
    )


def _search_size(args: argparse.Namespace) -> int:
    return SEARCH_SIZE if args.search_size is None else int(args.search_size)


def _kept(args: argparse.Namespace, predictor: Predictor) -> UnfinishedRun:
    """Begin to keep rows, or go on; in a video only where nothing but the faces goes from frame to frame."""
    facts = {
        "model": predictor.model.arch,
        "weights": predictor.backend.fingerprint,
        "detector": predictor.faces_from,
        "min_score": predictor.min_score,
        "min_face": predictor.min_face,
        "search_size": _search_size(args),
        "every": predictor.sampling.every,
        "fps": predictor.sampling.fps,
        "smooth": predictor.smooth,
        "balance": predictor.balance,
        "threshold": predictor.threshold,
    }
    alone = not (predictor.model.sequence or predictor.smooth or args.render or args.engine == "ray")
    return UnfinishedRun(args.out, facts, args.resume, within_videos=alone)


def _predictions(
    args: argparse.Namespace, predictor: Predictor, sources: list[Source], kept: UnfinishedRun | None
) -> Iterator[tuple[Frame, list[FaceResult]]]:
    """Predict on what has no rows yet; an interrupted run says how to go on."""
    waiting = sources
    known: Iterator[list[Detection]] = iter(())
    if kept is not None:
        waiting = [source for source in sources if source.name not in kept.done]
        begun = kept.begun
        if begun is not None and any(source.name == begun for source in waiting):
            waiting.sort(key=lambda source: source.name != begun)
            known = map(_faces, kept.begun_rows())
    if args.engine == "ray":
        results = _by_workers(args, predictor, waiting)
    else:
        results = predictor.run(waiting, images=args.render is not None, known=known)
    try:
        yield from with_progress(results, len(waiting), f"{predictor.model.arch}, {predictor.faces_from}")
    except (KeyboardInterrupt, SystemExit):
        if kept is not None and kept.holds_rows:
            print(visible(f"affectzoo: {kept.kept()}"), file=sys.stderr)
        raise


def _by_workers(
    args: argparse.Namespace, predictor: Predictor, sources: list[Source]
) -> Iterator[tuple[Frame, list[FaceResult]]]:
    """Predict on a cluster, in the order of the sources."""
    given = {name: value for name, value in vars(args).items() if not callable(value)}
    worker = partial(_Worker, argparse.Namespace(**given), predictor.backend.fingerprint)
    pieces = _pieces(sources, args.batch_size)
    for results in on_ray(worker, pieces, _told, gpu=args.device == "cuda"):
        yield from results


class _Worker:
    """Predicts in a process of a cluster, where a name must mean the same weights."""

    def __init__(self, args: argparse.Namespace, fingerprint: str) -> None:
        self._predictor = _predictor(args, args.device)
        if self._predictor.backend.fingerprint != fingerprint:
            name = args.model or args.weights or DEFAULT_MODEL
            raise WeightsError(f"{name}: the machine {platform.node()} has other weights of that name")

    def __call__(self, piece: list[Source]) -> list[tuple[Frame, list[FaceResult]]]:
        return list(self._predictor.run(piece))


def _pieces(sources: Iterable[Source], size: int) -> Iterator[list[Source]]:
    """Part what there is to do: so many images, or one video."""
    for video, some in groupby(sources, lambda source: source.video):
        while piece := list(islice(some, 1 if video else size)):
            yield piece


def _told(piece: list[Source]) -> str:
    names = dict.fromkeys((piece[0].name, piece[-1].name))
    return " to ".join(names)


def _filmed(
    predictor: Predictor, frames: Iterable[Any], name: str, seconds: float | None, images: bool
) -> Iterator[tuple[Frame, list[FaceResult]]]:
    """Predict on a camera's frames until it is stopped, or the seconds are over."""
    results = predictor.stream(frames, name=name, images=images)
    longest = math.inf if seconds is None else seconds
    with closing(with_progress(results, 1, f"{name}, Ctrl-C ends", live=True)) as shown:
        yield from takewhile(lambda item: (item[0].time or 0.0) <= longest, shown)


@contextmanager
def _finished_when_terminated(kept: UnfinishedRun, predictor: Predictor) -> Iterator[None]:
    """Write what a camera saw where the command is told to terminate: nothing can go on with it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        kept.finish(predictor.columns)
        raise


def _faces(rows: list[Row]) -> list[Detection]:
    """Read a frame's faces back from its rows."""
    faces = []
    for row in rows:
        if row["track"] is not None:
            x0, y0, x1, y1 = (row[edge] for edge in BOX)
            faces.append(Detection(None if x0 is None else (x0, y0, x1, y1), row["score"]))
    return faces


def _written(args: argparse.Namespace) -> str:
    paths: list[Path] = [path for path in (args.out, args.render) if path is not None]
    return f"written: {', '.join(map(str, paths))}" if paths else ""


class _Shown:
    """Keeps what is shown at the end, where no file keeps it: rows, or images' faces and videos' tracks."""

    def __init__(self, all_rows: bool) -> None:
        self.rows: list[Row] = []
        self._all_rows = all_rows
        self._stills: list[FaceResult] = []
        self._tracks = Tracks()

    def add(self, faces: list[FaceResult], rows: list[Row], video: bool) -> None:
        """Add what one image or frame gave."""
        if self._all_rows:
            self.rows += rows
        elif video:
            self._tracks.add(faces)
        else:
            self._stills += faces

    def print(self) -> None:
        """Print the tables."""
        if self._stills or not self._tracks:
            stdout().print(results_table(self._stills))
        if self._tracks:
            stdout().print(self._tracks.table())
