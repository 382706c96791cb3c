"""``affectzoo models``, ``predict`` and ``demo``: what is in the zoo, and what it says of faces."""

from __future__ import annotations

import argparse
from pathlib import Path

from affectzoo.cli.options import COUNT, COUNT_OR_NONE, POSITIVE, Commands, lazily
from affectzoo.console import print_json, stdout
from affectzoo.errors import AffectZooError
from affectzoo.registry import DEFAULT_MODEL


def add_models(commands: Commands) -> None:
    """Add ``affectzoo models``."""
    models = commands.add_parser(
        "models",
        help="what is in the zoo",
        description="List architectures, or the trained weights that can be loaded; --data, --license and "
        "--prefetch are about weights and list these.",
        epilog="examples:\n"
        "  affectzoo models\n"
        "  affectzoo models --pretrained --task va\n"
        "  affectzoo models --pretrained --json",
    )
    models.add_argument("--task", help="only models of this task, such as expression")
    models.add_argument("--pretrained", action="store_true", help="list trained weights")
    models.add_argument("--data", metavar="NAME", help="only weights trained on this data set")
    models.add_argument(
        "--license",
        "--licence",
        help="only weights whose terms (of weights, images and labels) are permissive, non-commercial, or "
        "unknown, which is to be read; or contain this text",
    )
    models.add_argument(
        "--prefetch", action="store_true", help="fetch the listed weights from the Hub, for use offline"
    )
    models.add_json()
    models.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    from affectzoo.zoo import listing

    if args.pretrained or args.prefetch or args.data or args.license:
        rows = listing.pretrained(args.task, args.data, args.license)
        if args.prefetch:
            listing.prefetch(rows)
        table = listing.pretrained_table
    else:
        rows, table = listing.architectures(args.task), listing.architectures_table
    if args.json:
        print_json(rows)
    else:
        stdout().print(
            table(rows) if rows else "no weights are as asked for; all: affectzoo models --pretrained"
        )


def add_predict(commands: Commands) -> None:
    """Add ``affectzoo predict``."""
    predict = commands.add_parser(
        "predict",
        help="predict for every face of images and videos",
        description="Find the faces of images and videos and predict each one's expression. Every image and\n"
        "every frame gets a row, an unreadable image too, and so does what of a video could not be read;\n"
        "then the exit status is 1. In videos, faces are followed: the column track says who is who.\n"
        "With --out, rows are kept in FILE.part as they come, and FILE is written at once at the end: a run\n"
        "that was stopped goes on with --resume.",
        epilog="examples:\n"
        "  affectzoo predict photo.jpg --render out\n"
        "  affectzoo predict photos/ --out faces.csv\n"
        "  affectzoo predict crops/ --detector none --out faces.csv\n"
        "  affectzoo predict photo.jpg --model runs/mine --abstain 0.8\n"
        "  affectzoo predict film.mp4 --smooth --out film.csv --render out\n"
        "  affectzoo predict --camera 0 --seconds 10 --out me.jsonl",
    )
    predict.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="image, video, folder, glob pattern, or an address such as s3://bucket/folder",
    )
    predict.add_argument(
        "--camera",
        **COUNT_OR_NONE,
        metavar="N",
        help="film with camera N (the first is 0) instead, until Ctrl-C; rows are kept in FILE then",
    )
    predict.add_argument("--seconds", **POSITIVE, metavar="S", help="end the camera after S seconds")
    predict.add_argument(
        "--model",
        help="arch.tag, hf-hub:OWNER/NAME[@REV], a run's folder, a file, or an .onnx file of affectzoo "
        f"export (default: {DEFAULT_MODEL})",
    )
    predict.add_backend()
    predict.add_argument("--weights", help="tag, folder or file, when --model is an architecture")
    predict.add_detector(
        ("auto", "yunet", "centerface", "haar", "none"),
        "auto: yunet or centerface when its file is at hand, else haar; none: each image is a ready crop",
    )
    predict.add_search()
    predict.add_label_rules()
    taken = predict.add_mutually_exclusive_group()
    taken.add_argument("--every", **COUNT, default=1, metavar="N", help="take one in N frames of videos")
    taken.add_argument("--fps", **POSITIVE, metavar="F", help="take F frames a second of videos")
    predict.add_argument(
        "--smooth",
        action="store_true",
        help="smooth each person's classes and values over a video, not landmarks (one-euro filter)",
    )
    predict.add_argument(
        "--landmarks",
        type=Path,
        metavar="FILE",
        help="68 landmarks of each face, for models that take some, instead of a detector: a CSV file (file, "
        "frame, landmarks), OpenFace's, a .pts file, or a folder of such, see docs/videos.md (default: "
        "landmarks_s.rendered finds them in each face that the detector found)",
    )
    predict.add_argument("--device", metavar="D", help="where the model runs, such as cuda (default: cpu)")
    predict.add_engine("by all workers of a Ray cluster, or of this machine; --device cuda: each has a GPU")
    predict.add_argument("--batch-size", **COUNT, default=64, help="(default: %(default)s)")
    predict.add_argument(
        "--out", type=_results_file, metavar="FILE", help="results as .csv, .json, .jsonl or .parquet"
    )
    predict.add_argument(
        "--resume", action="store_true", help="go on with what a stopped run left in FILE.part"
    )
    predict.add_argument(
        "--render",
        type=Path,
        metavar="DIR",
        help="write annotated images and videos here, several images on contact_sheet.jpg as well, and for "
        "each video a chart over time",
    )
    predict.add_json()
    predict.set_defaults(run=_predict, wrong=predict.error)


def _predict(args: argparse.Namespace) -> None:
    if args.resume and args.out is None:
        args.wrong("--resume needs the --out FILE of the run to go on with")
    if bool(args.inputs) == (args.camera is not None):
        args.wrong("give images and videos, or --camera N")
    if args.camera is None and args.seconds is not None:
        args.wrong("--seconds is how long the camera runs; videos are read to their ends")
    if args.camera is not None and (args.every != 1 or args.fps is not None):
        args.wrong("--every and --fps are for videos; of a camera, each frame that is in time is taken")
    if args.camera is not None and args.resume:
        args.wrong("what a camera saw cannot be gone on with")
    if args.engine == "ray" and (args.camera is not None or args.render is not None):
        args.wrong("--engine ray is for images and videos without --render; a camera and drawings are local")
    if args.engine == "ray" and args.device not in (None, "cpu", "cuda"):
        args.wrong("--engine ray takes --device cpu or cuda: Ray says which GPU each worker has")
    if args.landmarks is not None and args.camera is not None:
        args.wrong("--landmarks are of images and videos, not of what a camera will see")
    search = (args.min_score, args.min_face, args.search_size)
    searched = any(one is not None for one in search)
    if args.detector == "none" and searched:
        args.wrong("--min-score, --min-face and --search-size are of detectors; --detector none runs none")
    of_detector = searched or args.detector_file is not None or args.detector != "auto"
    if args.landmarks is not None and of_detector:
        args.wrong("--landmarks say where the faces are: no detector runs that other options could be for")
    lazily("affectzoo.inference.command")(args)


def _results_file(text: str) -> Path:
    from affectzoo.inference.results import check_ending

    try:
        check_ending(Path(text))
    except AffectZooError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def add_demo(commands: Commands) -> None:
    """Add ``affectzoo demo``."""
    demo = commands.add_parser(
        "demo",
        help="the main job on what is bundled, offline",
        description="Predict on a bundled photograph and draw the result; measure the bundled model on\n"
        "rendered faces. Needs no data set, no network and no GPU.",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("affectzoo_demo"),
        metavar="DIR",
        help="gets images, tables and JSON (default: %(default)s)",
    )
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> None:
    from affectzoo.inference.demo import demo

    demo(args.out, stdout())
