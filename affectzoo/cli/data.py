"""``affectzoo data``: check, describe and prepare data sets, and the faces of published protocols."""

from __future__ import annotations

from pathlib import Path

from affectzoo.cli.options import COUNT, COUNT_OR_NONE, Commands, Parser, lazily

CHECK_EPILOG = """\
examples:
  affectzoo data check ferplus --root DIR
  affectzoo data check rafdb --root DIR --set pictures=original --json > findings.json
  affectzoo data check table --root my_faces --against ferplus=DIR

Faults are what makes training stop or learn wrong things: rows that cannot be read, labels outside the codes,
images that are missing or damaged, a clip in two parts, boxes and landmarks outside of their images.
Near duplicates look the same after scaling, compression or another brightness; frames of one clip are not
compared with each other.
"""

PREPARE_EPILOG = """\
examples:
  affectzoo data prepare afewva --root DIR --out prepared/afewva
  affectzoo data prepare rafdb --root DIR --set pictures=original --align five_points --size 112 --out OUT
  affectzoo fit --config recipes/resnet18/afewva.yaml --data.root prepared/afewva
"""

PROTOCOL_EPILOG = """\
examples:
  affectzoo data protocol
  affectzoo data protocol afewva_5fold --root DIR --out afewva_5fold.json
  affectzoo data protocol afewva_5fold --root OTHER --compare afewva_5fold.json
  affectzoo data protocol afewva_to_semaine --root afewva=DIR --root semaine=DIR
"""


def add_data(commands: Commands) -> None:
    """Add ``affectzoo data`` and its commands."""
    data = commands.add_parser(
        "data",
        help="check, describe and prepare data sets",
        description="Say what is wrong with a copy of a data set, describe it, prepare it for training.",
    )
    tools = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_check, _add_stats, _add_prepare, _add_protocol):
        add(tools)


def _add_check(tools: Commands) -> None:
    check = tools.add_parser(
        "check",
        help="what is wrong with a copy: layout, labels, images, counts, duplicates",
        description="Read all labels and open every image of a data set, then list what is wrong with it\n"
        "(faults: exit status 1) and what is good to know (notes), with file and line.",
        epilog=CHECK_EPILOG,
    )
    _add_source(check)
    check.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="also find images that are in another data set, such as fer2013=DIR; may be repeated",
    )
    check.add_argument("--no-pictures", action="store_true", help="do not open images: lists and labels only")
    check.add_argument("--json", action="store_true", help="print all findings as JSON")
    check.set_defaults(run=lazily("affectzoo.datatools.check"))


def _add_stats(tools: Commands) -> None:
    stats = tools.add_parser(
        "stats",
        help="counts and plots",
        description="Say part by part what a data set holds: classes, valence and arousal, persons, clips,\n"
        "boxes and landmarks, and sizes of a sample of 500 images.",
        epilog="example:\n  affectzoo data stats ferplus --root DIR --out stats/ferplus",
    )
    _add_source(stats)
    stats.add_argument("--out", type=Path, metavar="DIR", help="write stats.json and plots here")
    stats.add_json()
    stats.set_defaults(run=lazily("affectzoo.datatools.stats"))


def _add_prepare(tools: Commands) -> None:
    prepare = tools.add_parser(
        "prepare",
        help="crop, align and shard once",
        description="Cut every face out once and write small images with their index, which any recipe\n"
        "takes in place of the original. Stopped at any moment, the same command goes on where it was.",
        epilog=PREPARE_EPILOG,
    )
    _add_source(prepare)
    prepare.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    prepare.add_argument("--size", **COUNT, default=256, help="longest edge of crops (default: 256)")
    prepare.add_argument(
        "--margin",
        type=float,
        default=0.5,
        help="share beyond the face box, at least that of the models to train (default: 0.5)",
    )
    prepare.add_argument(
        "--align",
        choices=("none", "five_points"),
        default="none",
        help="five_points: turn faces upright by eyes, nose and mouth corners (default: none)",
    )
    prepare.add_argument(
        "--format", choices=("loose", "shards"), default="loose", help="files, or tar files (default: loose)"
    )
    prepare.add_argument(
        "--workers",
        **COUNT_OR_NONE,
        metavar="N",
        help="processes; 0 or 1: this one (default: one per core, at most 4; with ray all there are)",
    )
    prepare.add_engine("by the workers of a Ray cluster, or of this machine")
    prepare.add_argument(
        "--chunk", **COUNT, default=1024, help="faces per shard, and per step of work (default: 1024)"
    )
    prepare.add_argument("--json", action="store_true", help="print prepared.json instead of a summary")
    prepare.set_defaults(run=lazily("affectzoo.datatools.prepare"))


def _add_protocol(tools: Commands) -> None:
    protocol = tools.add_parser(
        "protocol",
        help="the exact faces of a published protocol",
        description="List the published evaluation protocols; with NAME and --root, say which faces one\n"
        "takes and compare a copy with the published numbers or with a shared list of ids.",
        epilog=PROTOCOL_EPILOG,
    )
    protocol.add_argument("name", nargs="?", metavar="NAME", help="the protocol; none: list all")
    protocol.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="[DATA=]DIR",
        help="where the data set is; DATA=DIR once per data set for a protocol on two",
    )
    protocol.add_argument("--out", type=Path, metavar="FILE", help="write the ids as .json, to share")
    protocol.add_argument("--compare", type=Path, metavar="FILE", help="ids to compare with; exit 1 if other")
    protocol.add_json()
    protocol.set_defaults(run=lazily("affectzoo.evaluation.protocol"))


def _add_source(parser: Parser) -> None:
    """Add what says which data set to read."""
    parser.add_argument("name", metavar="NAME", help="the data set, such as ferplus")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where its files are")
    parser.add_set()
