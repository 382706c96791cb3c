"""The ``affectzoo`` command: a light front end; each command loads what it needs when it runs."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo import __version__
from affectzoo.errors import AffectZooError

if TYPE_CHECKING:
    from rich.console import Console

    Tools = argparse._SubParsersAction[argparse.ArgumentParser]

TRAINING = ("fit", "validate", "test")  # LightningCLI's

EPILOG = """\
train and evaluate (options by LightningCLI, see: affectzoo fit --help):
  fit             train a model by a recipe
  validate        evaluate on the validation part
  test            evaluate on the test part, with a confusion matrix
  cross-validate  fit and test on every fold, then mean and spread per metric

examples:
  affectzoo demo
  affectzoo models --pretrained
  affectzoo predict photo.jpg --render out
  affectzoo predict faces/ --detector none --out faces.csv
  affectzoo fit --config recipes/dlp_cnn_s/ferplus.yaml --data.root DIR
  affectzoo test --config recipes/dlp_cnn_s/ferplus.yaml --data.root DIR --model.weights ferplus
  affectzoo benchmark --data ferplus=DIR --protocol ferplus_valid --models dlp_cnn_s.ferplus hog+svm
  affectzoo publish runs/mine --repo OWNER/NAME --dry-run --out mine
"""

CONVERT_EPILOG = """\
examples:
  affectzoo convert vggface vgg_face.mat --out vggface.safetensors
  affectzoo convert vggface vgg_face_dag.pth --color rgb --landmarks --out vggface_landmarks.safetensors
  affectzoo fit --config recipes/vggface/rafdb.yaml --data.root DIR \\
    --model.weights vggface.safetensors --model.new_head true

What the file has no values for (second fully connected layer, head, landmarks) starts at random, so the
result is to be trained, not to predict with.
"""

PROTOCOL_EPILOG = """\
examples:
  affectzoo data protocol
  affectzoo data protocol afewva_5fold --root DIR --out afewva_5fold.json
  affectzoo data protocol afewva_5fold --root OTHER --compare afewva_5fold.json
  affectzoo data protocol afewva_to_semaine --root afewva=DIR --root semaine=DIR
"""


PREPARE_EPILOG = """\
examples:
  affectzoo data prepare afewva --root DIR --out prepared/afewva
  affectzoo data prepare rafdb --root DIR --set pictures=original --align five_points --size 112 --out OUT
  affectzoo fit --config recipes/resnet18/afewva.yaml --data.root prepared/afewva
"""

CHECK_EPILOG = """\
examples:
  affectzoo data check ferplus --root DIR
  affectzoo data check rafdb --root DIR --set pictures=original --json > findings.json
  affectzoo data check table --root my_faces --against ferplus=DIR

Faults are what makes training stop or learn wrong things: rows that cannot be read, labels outside the codes,
pictures that are missing or damaged, a clip in two parts, boxes and landmarks outside of their pictures.
Near duplicates look the same after scaling, compression or another brightness; frames of one clip are not
compared with each other.
"""


BENCHMARK_EPILOG = """\
what can be measured (--models, each as [NAME=]SPEC):
  dlp_cnn_s.ferplus       a model of the zoo; or hf-hub:OWNER/NAME[@REV], a run's folder, a .safetensors file
  runs/x/fold_{fold}      a model for each fold, as affectzoo cross-validate makes them
  MODEL+svm, MODEL+lda    its features with a classifier fitted on the training part; +svr for values
  MODEL#LAYER+svm         the same of one of its layers
  hog+svm, gabor+lda      hand-crafted features: hog, hog256, lbp, gabor, shape
Several under one NAME are runs of one recipe and share a row, as mean and standard deviation.

examples:
  affectzoo benchmark --data ferplus=DIR --protocol ferplus_valid
  affectzoo benchmark --data ferplus=DIR --protocol ferplus_valid --out board \\
    --models dlp_cnn_s.ferplus hog+svm center=runs/center_0 center=runs/center_1 \\
    --predictions theirs=theirs.csv
  affectzoo benchmark --data afewva=DIR --protocol afewva_5fold --models "runs/x/fold_{fold}"
  affectzoo benchmark --data table=my_faces --split test
  affectzoo compare board dlp_cnn_s.ferplus hog+svm

Stopped at any moment, the same command goes on: what was measured before is not measured again.
"""


PUBLISH_EPILOG = """\
examples:
  affectzoo publish runs/x --repo me/x --dry-run --out x --record leaderboard \\
    --licence weights=Apache-2.0 code=Apache-2.0 "pictures=for research" labels=MIT
  affectzoo publish runs/x --repo me/x --tag v1 --record leaderboard --licence ...
"""


IMPORT_EPILOG = """\
examples:
  affectzoo import resnet18.pth --arch resnet18 --labels neutral,happiness,anger --out mine.safetensors
  affectzoo import old.pth.tar --arch vgg11_bn --task va --out old.safetensors --dry-run
  affectzoo import net.pt --arch dlp_cnn_s --labels ferplus8 --out net.safetensors \\
    --map encoder=trunk.conv --map projection=trunk.fc --map aux=- --preprocess mean=0.5 std=0.5
  affectzoo import runs/x/checkpoints/last.ckpt --out last.safetensors

Nothing in the file is run: tensors are read, anything else is refused. A file of rules (YAML) holds lines as
  'conv(\\d)\\.(.*)': 'trunk.conv.\\1.\\2'     old names by regular expression, new names; null leaves out
Layers without a rule are placed by their names, else by their order; the table shows how. Unless every tensor
has its place, nothing is written (exit status 1). Labels keep the order that you give: that of the outputs.
"""


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options, except those that LightningCLI owns."""
    parser = argparse.ArgumentParser(
        prog="affectzoo",
        description="Pretrained models for facial affect: load, fine-tune, benchmark.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"affectzoo {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")

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
    predict.add_argument("--batch-size", type=_positive, default=64, help="(default: %(default)s)")
    predict.add_argument("--out", type=Path, metavar="FILE", help="results as .csv, .json or .parquet")
    predict.add_argument("--render", type=Path, metavar="DIR", help="write annotated pictures here")
    predict.add_argument("--json", action="store_true", help="print JSON instead of a table")
    predict.set_defaults(run=_predict)

    data = commands.add_parser(
        "data",
        help="check, describe and prepare data sets",
        description="Say what is wrong with a copy of a data set, describe it, prepare it for training.",
    )
    tools = data.add_subparsers(title="commands", dest="tool", metavar="COMMAND", required=True)
    _data_check_options(tools)
    _data_stats_options(tools)
    _data_prepare_options(tools)
    _data_protocol_options(tools)

    _benchmark_options(commands)

    demo = commands.add_parser(
        "demo",
        help="the main job on what is bundled, offline",
        description="Predict on a bundled photograph; measure the bundled model on rendered faces.",
    )
    demo.add_argument("--out", type=Path, default=Path("affectzoo_demo"), help="(default: %(default)s)")
    demo.set_defaults(run=_demo)

    convert = commands.add_parser(
        "convert",
        help="turn published weights into weights to start from",
        description="Turn a published VGG-Face file that you fetched (Parkhi et al., BMVC 2015; for\n"
        "non-commercial research) into weights that vggface, cnn_gru and cnn_lstm start from.",
        epilog=CONVERT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.add_argument("kind", choices=("vggface",), help="what the file is")
    convert.add_argument("file", type=Path, metavar="FILE", help=".mat of MatConvNet, or .pth state dict")
    convert.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, .safetensors")
    convert.add_argument("--landmarks", action="store_true", help="for models that also take 68 landmarks")
    convert.add_argument(
        "--color",
        choices=("auto", "rgb", "bgr"),
        default="auto",
        help="colours as the file's network reads them; auto: as the file tells, else ask (default: auto)",
    )
    convert.set_defaults(run=_convert)
    _import_options(commands)
    _publish_options(commands)
    return parser


def _import_options(commands: Tools) -> None:
    own = commands.add_parser(
        "import",
        help="bring a PyTorch checkpoint of your own into the zoo's format",
        description="Find each tensor of a checkpoint its place in an architecture of the zoo, show where,\n"
        "and write a weights file that load, predict and benchmark take.",
        epilog=IMPORT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    own.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help=".pt, .pth, .bin, .ckpt or .safetensors"
    )
    own.add_argument("--arch", help="its architecture; affectzoo's own checkpoints say it themselves")
    own.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, .safetensors")
    own.add_argument("--labels", metavar="A,B,...", help="what the outputs mean, in order; or a space's name")
    own.add_argument("--task", help="what it predicts: expression (default), va, valence, arousal, multitask")
    own.add_argument(
        "--map",
        metavar="OLD=NEW",
        **many,
        help="names that begin with OLD begin with NEW; OLD=- leaves them out; or a .yaml file, see below",
    )
    own.add_argument("--set", metavar="KEY=VALUE", **many, help="architecture's argument, as head_units=[]")
    own.add_argument(
        "--preprocess",
        metavar="KEY=VALUE",
        **many,
        help="size, resize, color, mean, std, margin (default: the architecture's own)",
    )
    own.add_argument(
        "--licence", metavar="SUBJECT=TERMS", **many, help="terms of weights, code, pictures or labels"
    )
    own.add_argument("--dry-run", action="store_true", help="say what would be written, write nothing")
    own.add_argument("--json", action="store_true", help="print JSON instead of a table")
    own.set_defaults(run=_lazily("affectzoo.importing"))


def _publish_options(commands: Tools) -> None:
    publish = commands.add_parser(
        "publish",
        help="a model with its card, records and recipe to the Hugging Face Hub",
        description="Write a model as a folder that others can load, check it, and upload it in one commit.\n"
        "What the Hub has already is not sent; where nothing differs, there is no commit.",
        epilog=PUBLISH_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    publish.add_argument("model", metavar="MODEL", help="a run's folder, a .safetensors file or arch.tag")
    publish.add_argument("--repo", required=True, metavar="OWNER/NAME", help="where on the Hub")
    publish.add_argument("--dry-run", action="store_true", help="write and check, upload nothing")
    publish.add_argument("--out", type=Path, metavar="DIR", help="keep the folder here")
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    publish.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="records of affectzoo benchmark, or its folders: those of these weights are taken",
        **many,
    )
    publish.add_argument(
        "--licence", metavar="SUBJECT=TERMS", help="terms of weights, code, pictures and labels", **many
    )
    precision = publish.add_mutually_exclusive_group()
    precision.add_argument(
        "--half", action="store_true", default=True, help="store weights as float16 (default)"
    )
    precision.add_argument("--full", dest="half", action="store_false", help="store weights as float32")
    publish.add_argument(
        "--shard-size", type=_bytes, metavar="N", help="largest weights file, such as 2GB (default: one file)"
    )
    publish.add_argument("--tag", metavar="REV", help="name the commit, to load it as OWNER/NAME@REV")
    publish.add_argument("--private", action="store_true", help="make a repository for its owner alone")
    publish.add_argument("--message", metavar="TEXT", help="of the commit")
    publish.set_defaults(run=_lazily("affectzoo.publishing.command"))


def _benchmark_options(commands: Tools) -> None:
    bench = commands.add_parser(
        "benchmark",
        help="models and baselines under published protocols, as a leaderboard",
        description="Measure systems on the exact faces of published protocols. Writes a JSON record and\n"
        "the predictions of each pair, and a leaderboard as Markdown and as one HTML page.",
        epilog=BENCHMARK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    bench.add_argument("--data", required=True, metavar="NAME=DIR", **many, help="data sets, their folders")
    bench.add_argument(
        "--models", metavar="[NAME=]SPEC", **many, help="see below (default: all pretrained models that fit)"
    )
    bench.add_argument(
        "--predictions",
        metavar="NAME=FILE",
        **many,
        help="another system's outputs: .csv, .json, .parquet",
    )
    bench.add_argument(
        "--protocol", metavar="P", **many, help="published protocols; affectzoo data protocol lists them"
    )
    bench.add_argument("--split", choices=("train", "valid", "test"), help="a plain split, no protocol")
    bench.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="option of the split's data module"
    )
    bench.add_argument(
        "--detector",
        choices=("given", "yunet", "haar"),
        default="given",
        help="given: the data set's own boxes; else find faces, count those not found (default: given)",
    )
    bench.add_argument("--detector-file", type=Path, metavar="ONNX", help="YuNet's file")
    bench.add_argument("--note", help="what readers should know of this copy, such as 'rendered faces'")
    bench.add_argument("--batch-size", type=_positive, default=64, help="(default: %(default)s)")
    bench.add_argument(
        "--out", type=Path, default=Path("leaderboard"), metavar="DIR", help="(default: %(default)s)"
    )
    bench.add_argument("--json", action="store_true", help="print the records instead of tables")
    bench.set_defaults(run=_lazily("affectzoo.benchmark.command"))

    pages = commands.add_parser(
        "leaderboard",
        help="write a benchmark's pages anew from its records",
        description="Write leaderboard.md, leaderboard.html and plots anew, for example after records of\n"
        "other machines were put into the folder.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pages.add_argument("folder", type=Path, metavar="DIR", help="a benchmark's --out folder")
    pages.set_defaults(run=_lazily("affectzoo.benchmark.command", "leaderboard_command"))

    compare = commands.add_parser(
        "compare",
        help="whether two systems of a benchmark differ",
        description="Compare two systems on the same faces: a paired bootstrap of any metric, and McNemar's\n"
        "test for classes.",
        epilog="example:\n  affectzoo compare leaderboard dlp_cnn_s.ferplus hog+svm --metric mean_diagonal",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_argument("folder", type=Path, metavar="DIR", help="a benchmark's --out folder")
    compare.add_argument("first", metavar="FIRST", help="a system's name or a record's key")
    compare.add_argument("second", metavar="SECOND", help="another one")
    compare.add_argument("--metric", help="such as accuracy, f1, ccc (default: accuracy or ccc)")
    compare.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    compare.set_defaults(run=_lazily("affectzoo.benchmark.comparison"))

    features = commands.add_parser(
        "features",
        help="a model's features of faces, as a table and as a picture",
        description="Write the features of every face of a split, and their map in two dimensions\n"
        "(t-SNE), coloured by class and by intensity.",
        epilog="examples:\n"
        "  affectzoo features dlp_cnn_s.ferplus --data ferplus=DIR --split valid --out features\n"
        "  affectzoo features dlp_cnn_s.ferplus --layer list\n"
        "  affectzoo features hog --data ferplus=DIR --split valid --out features",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    features.add_argument("model", metavar="MODEL", help="as for load, or hog, hog256, lbp, gabor, shape")
    features.add_argument("--layer", help="a layer of the network, or: list")
    features.add_argument("--data", metavar="NAME=DIR", help="the data set and its folder")
    features.add_argument("--split", default="test", help="train, valid or test (default: %(default)s)")
    features.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="option of its data module"
    )
    features.add_argument("--limit", type=_positive, metavar="N", help="take N faces, drawn at random")
    features.add_argument("--out", type=Path, metavar="DIR", help="gets features.parquet and features.png")
    features.add_argument("--json", action="store_true", help="print JSON instead of a summary")
    features.set_defaults(run=_lazily("affectzoo.features.projection"))


def _lazily(module: str, name: str = "command") -> Callable[[argparse.Namespace], None]:
    """A command whose module is loaded when it runs."""

    def run(args: argparse.Namespace) -> None:
        getattr(importlib.import_module(module), name)(args)

    return run


def _data_check_options(tools: Tools) -> None:
    check = tools.add_parser(
        "check",
        help="what is wrong with a copy: layout, labels, pictures, counts, duplicates",
        description="Read all labels and open every picture of a data set, then list what is wrong with it\n"
        "(faults: exit status 1) and what is good to know (notes), with file and line.",
        epilog=CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _data_options(check)
    check.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="also find pictures that are in another data set, such as fer2013=DIR; may be repeated",
    )
    check.add_argument(
        "--no-pictures", action="store_true", help="do not open pictures: lists and labels only"
    )
    check.add_argument("--json", action="store_true", help="print all findings as JSON")
    check.set_defaults(run=_data)


def _data_stats_options(tools: Tools) -> None:
    stats = tools.add_parser(
        "stats",
        help="counts and plots",
        description="Say part by part what a data set holds: classes, valence and arousal, persons, clips,\n"
        "boxes and landmarks, and sizes of a sample of 500 pictures.",
        epilog="example:\n  affectzoo data stats ferplus --root DIR --out stats/ferplus",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _data_options(stats)
    stats.add_argument("--out", type=Path, metavar="DIR", help="write stats.json and plots here")
    stats.add_argument("--json", action="store_true", help="print JSON instead of a table")
    stats.set_defaults(run=_data)


def _data_prepare_options(tools: Tools) -> None:
    prepare = tools.add_parser(
        "prepare",
        help="crop, align and shard once",
        description="Cut every face out once and write small pictures with their index, which any recipe\n"
        "takes in place of the original. Stopped at any moment, the same command goes on where it was.",
        epilog=PREPARE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _data_options(prepare)
    prepare.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    prepare.add_argument("--size", type=_positive, default=256, help="longest edge of crops (default: 256)")
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
        "--workers", type=int, metavar="N", help="processes (default: one per core, at most 4)"
    )
    prepare.add_argument(
        "--chunk", type=_positive, default=1024, help="faces per shard, and per step of work (default: 1024)"
    )
    prepare.add_argument("--json", action="store_true", help="print prepared.json instead of a summary")
    prepare.set_defaults(run=_data)


def _data_protocol_options(tools: Tools) -> None:
    protocol = tools.add_parser(
        "protocol",
        help="the exact faces of a published protocol",
        description="List the published evaluation protocols; with NAME and --root, say which faces one "
        "takes and compare a copy with the published numbers or with a shared list of ids.",
        epilog=PROTOCOL_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    protocol.add_argument("--json", action="store_true", help="print JSON instead of a table")
    protocol.set_defaults(run=_data)


def _data(args: argparse.Namespace) -> None:
    importlib.import_module(f"affectzoo.datatools.{args.tool}").command(args)


def _data_options(parser: argparse.ArgumentParser) -> None:
    """What the data commands share."""
    parser.add_argument("name", metavar="NAME", help="the data set, such as ferplus")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where its files are")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option of its data module, such as part=compound; may be repeated",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows ``affectzoo``; by default the process's own.

    Returns:
        0 when done, 1 when the work failed, 2 when the usage was wrong.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in TRAINING:
            from affectzoo.training import run

            run(given)
            return 0
        if given and given[0] == "cross-validate":
            from affectzoo.crossvalidation import run

            run(given[1:])
            return 0
        parser = build_parser()
        args = parser.parse_args(given)
        if args.command is None:
            parser.print_help()
            return 0
        command: Callable[[argparse.Namespace], None] = args.run
        command(args)
    except AffectZooError as error:
        print(f"affectzoo: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"affectzoo: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("affectzoo: interrupted", file=sys.stderr)
        return 1
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _bytes(text: str) -> int:
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    unit = units.get(text[-2:].upper(), 1)
    return _positive(text if unit == 1 else text[:-2]) * unit


def _console() -> Console:
    from rich.console import Console

    # Tables written to a file or pipe are not squeezed into the 80 columns assumed there.
    return Console() if sys.stdout.isatty() else Console(width=160)


def _models(args: argparse.Namespace) -> None:
    from affectzoo import listing

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
        _console().print(
            table(rows) if rows else "no weights are as asked for; all: affectzoo models --pretrained"
        )


def _predict(args: argparse.Namespace) -> None:
    from affectzoo.prediction import (
        DEFAULT_MODEL,
        check_ending,
        expand,
        predict_stream,
        to_json,
        to_table,
        write_table,
    )

    if args.out is not None:
        check_ending(args.out)
    pictures = expand(args.inputs)
    from rich.console import Console
    from rich.progress import track

    from affectzoo.faces.detect import make_detector
    from affectzoo.render import render_results, results_table
    from affectzoo.zoo import load

    if args.model is None:
        model = load(args.weights or DEFAULT_MODEL)
    else:
        model = load(args.model, weights=args.weights)
    detector = make_detector(args.detector, args.detector_file)
    watched = track(
        pictures,
        description=f"{model.arch}, {detector.name}",
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    results = list(predict_stream(watched, model, detector, args.batch_size))
    table = to_table(results, model.labels)
    if args.out is not None:
        write_table(table, args.out)
    if args.render is not None:
        render_results(results, args.render)
    if args.json:
        print(to_json(table), end="")
    elif args.out is None:
        _console().print(results_table(results))
    unreadable = sum(r.error is not None and r.error.startswith("unreadable") for r in results)
    faces = sum(r.error is None for r in results)
    written = [str(path) for path in (args.out, args.render) if path is not None]
    print(
        f"{faces} faces in {len(pictures)} pictures, {unreadable} unreadable"
        + (f"; written: {', '.join(written)}" if written else ""),
        file=sys.stderr,
    )
    if unreadable == len(pictures):
        raise AffectZooError("no picture could be read; see the error column")


def _demo(args: argparse.Namespace) -> None:
    from affectzoo.demo import demo

    demo(args.out, _console())


def _convert(args: argparse.Namespace) -> None:
    from affectzoo.conversion import convert_vggface
    from affectzoo.weights import read_meta

    out = convert_vggface(args.file, args.out, args.landmarks, color=args.color)
    print(f"written: {out}; freshly initialised: {'; '.join(read_meta(out).training['fresh'])}")
    print(f"start from it: affectzoo fit ... --model.weights {out} --model.new_head true")
