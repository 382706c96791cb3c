"""``affectzoo models``, ``predict`` and ``demo``: what is in the zoo, and what it says of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.cli.options import COUNT, Commands
from affectzoo.console import stdout
from affectzoo.errors import AffectZooError

if TYPE_CHECKING:
    from affectzoo.inference.prediction import Picture


def add_models(commands: Commands) -> None:
    """Add ``affectzoo models``."""
    models = commands.add_parser(
        "models",
        help="what is in the zoo",
        description="List architectures, or the trained weights that can be loaded; --data, --licence and "
        "--prefetch are about weights and list these.",
    )
    models.add_argument("--task", help="only models of this task, such as expression")
    models.add_argument("--pretrained", action="store_true", help="list trained weights")
    models.add_argument("--data", metavar="NAME", help="only weights trained on this data set")
    models.add_argument(
        "--licence",
        help="only weights whose terms (of weights, pictures and labels) are permissive, non-commercial, or "
        "unknown, which is to be read; or contain this text",
    )
    models.add_argument(
        "--prefetch", action="store_true", help="fetch the listed weights from the Hub, for use offline"
    )
    models.add_argument("--json", action="store_true", help="print JSON instead of a table")
    models.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    from affectzoo.zoo import listing

    if args.pretrained or args.prefetch or args.data or args.licence:
        rows = listing.pretrained(args.task, args.data, args.licence)
        if args.prefetch:
            listing.prefetch(rows)
        table = listing.pretrained_table
    else:
        rows, table = listing.architectures(args.task), listing.architectures_table
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        stdout().print(
            table(rows) if rows else "no weights are as asked for; all: affectzoo models --pretrained"
        )


def add_predict(commands: Commands) -> None:
    """Add ``affectzoo predict``."""
    predict = commands.add_parser(
        "predict",
        help="predict for every face of pictures",
        description="Find the faces of pictures and predict each one's expression.",
    )
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="picture, folder or glob pattern")
    predict.add_argument(
        "--model",
        help="arch.tag, hf-hub:OWNER/NAME[@REV], a run's folder or a file (default: dlp_cnn_s.ferplus)",
    )
    predict.add_argument("--weights", help="tag, folder or file, when --model is an architecture")
    predict.add_argument(
        "--detector",
        choices=("auto", "yunet", "haar", "none"),
        default="auto",
        help="auto: yunet when its file is at hand, else haar; none: each picture is a ready crop",
    )
    predict.add_argument("--detector-file", type=Path, metavar="ONNX", help="YuNet's file")
    predict.add_argument("--batch-size", **COUNT, default=64, help="(default: %(default)s)")
    predict.add_argument("--out", type=Path, metavar="FILE", help="results as .csv, .json or .parquet")
    predict.add_argument("--render", type=Path, metavar="DIR", help="write annotated pictures here")
    predict.add_argument("--json", action="store_true", help="print JSON instead of a table")
    predict.set_defaults(run=_predict)


def _predict(args: argparse.Namespace) -> None:
    from affectzoo.faces.detect import make_detector
    from affectzoo.inference import prediction
    from affectzoo.inference.render import render_results, results_table
    from affectzoo.zoo.loading import load

    if args.out is not None:
        prediction.check_ending(args.out)
    pictures = prediction.expand(args.inputs)
    if args.model is None:
        model = load(args.weights or prediction.DEFAULT_MODEL)
    else:
        model = load(args.model, weights=args.weights)
    detector = make_detector(args.detector, args.detector_file)
    watched = _with_progress(pictures, f"{model.arch}, {detector.name}")
    results = list(prediction.predict_stream(watched, model, detector, args.batch_size))
    table = prediction.to_table(results, model.labels)
    if args.out is not None:
        prediction.write_table(table, args.out)
    if args.render is not None:
        render_results(results, args.render)
    if args.json:
        print(prediction.to_json(table), end="")
    elif args.out is None:
        stdout().print(results_table(results))
    unreadable = sum(r.error is not None and r.error.startswith("unreadable") for r in results)
    faces = sum(r.error is None for r in results)
    written = ", ".join(str(path) for path in (args.out, args.render) if path is not None)
    print(
        f"{faces} faces in {len(pictures)} pictures, {unreadable} unreadable"
        + (f"; written: {written}" if written else ""),
        file=sys.stderr,
    )
    if unreadable == len(pictures):
        raise AffectZooError("no picture could be read; see the error column")


def _with_progress(pictures: Sequence[Picture], description: str) -> Iterable[Picture]:
    """Pictures, with a bar on screen that says how far one is."""
    from rich.console import Console
    from rich.progress import track

    return track(
        pictures,
        description=description,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def add_demo(commands: Commands) -> None:
    """Add ``affectzoo demo``."""
    demo = commands.add_parser(
        "demo",
        help="the main job on what is bundled, offline",
        description="Predict on a bundled photograph; measure the bundled model on rendered faces.",
    )
    demo.add_argument("--out", type=Path, default=Path("affectzoo_demo"), help="(default: %(default)s)")
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> None:
    from affectzoo.inference.demo import demo

    demo(args.out, stdout())
