"""``affectzoo benchmark``, ``leaderboard``, ``compare`` and ``features``: systems measured on faces."""

from __future__ import annotations

from pathlib import Path

from affectzoo.cli.options import COUNT, MANY, SPLIT, Commands, lazily

BENCHMARK_EPILOG = """\
what can be measured (--models, each as [NAME=]SPEC):
  dlp_cnn_s.ferplus       a model of the zoo; or hf-hub:OWNER/NAME[@REV], a run's folder, a .safetensors file
  face.onnx               a file of affectzoo export, by ONNX Runtime
  runs/x/fold_{fold}      a model for each fold, as affectzoo cross-validate makes them
  MODEL+svm, MODEL+lda    its features with a classifier fitted on the training part; +svr for values;
                          svm_cv, rbf_cv, svr_cv choose their constants by inner folds
  MODEL#LAYER+svm         the same of one of its layers
  hog+svm, gabor+lda      hand-crafted features: hog, hog256, hog_aligned, lbp, gabor, shape
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


def add_benchmark(commands: Commands) -> None:
    """Add ``affectzoo benchmark``."""
    bench = commands.add_parser(
        "benchmark",
        help="models and baselines under published protocols, as a leaderboard",
        description="Measure systems on the exact faces of published protocols. Writes a JSON record and\n"
        "the predictions of each pair, and a leaderboard as Markdown and HTML.",
        epilog=BENCHMARK_EPILOG,
    )
    bench.add_argument("--data", required=True, metavar="NAME=DIR", **MANY, help="data sets, their folders")
    bench.add_argument(
        "--models", metavar="[NAME=]SPEC", **MANY, help="see below (default: all pretrained models that fit)"
    )
    bench.add_argument(
        "--predictions",
        metavar="NAME=FILE",
        **MANY,
        help="another system's outputs: .csv, .json, .parquet",
    )
    bench.add_argument(
        "--protocol", metavar="P", **MANY, help="published protocols; affectzoo data protocol lists them"
    )
    bench.add_argument("--split", **SPLIT, help="a plain split, no protocol")
    bench.add_set()
    bench.add_detector(
        ("given", "yunet", "centerface", "haar"),
        "given: the data set's own boxes; else find faces, count those not found (default: given)",
    )
    bench.add_argument("--note", help="what readers should know of this copy, such as 'rendered faces'")
    bench.add_argument(
        "--robustness",
        action="store_true",
        help="also measure models on the same faces blurred, noisy, dark, covered, turned and cut badly, 18 "
        "passes more: a table on the page",
    )
    bench.add_argument("--batch-size", **COUNT, default=64, help="(default: %(default)s)")
    bench.add_argument(
        "--out", type=Path, default=Path("leaderboard"), metavar="DIR", help="(default: %(default)s)"
    )
    bench.add_argument("--json", action="store_true", help="print the records instead of tables")
    bench.set_defaults(run=lazily("affectzoo.leaderboard.command"))


def add_leaderboard(commands: Commands) -> None:
    """Add ``affectzoo leaderboard``."""
    pages = commands.add_parser(
        "leaderboard",
        help="write a benchmark's pages anew from its records",
        description="Write leaderboard.md, leaderboard.html and plots anew, for example after records of\n"
        "other machines were put into the folder, with their predictions, or without: then they are in\n"
        "the tables; comparisons and plots of predictions stay as they were.",
        epilog="examples:\n"
        "  affectzoo leaderboard board\n"
        "  affectzoo leaderboard all --record board_one board_two/records/KEY.json",
    )
    pages.add_argument("folder", type=Path, metavar="DIR", help="a benchmark's --out folder")
    pages.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="further records, or folders with some; they stay there",
        **MANY,
    )
    pages.set_defaults(run=lazily("affectzoo.leaderboard.pages_command"))


def add_compare(commands: Commands) -> None:
    """Add ``affectzoo compare``."""
    compare = commands.add_parser(
        "compare",
        help="whether two systems of a benchmark differ",
        description="Compare two systems on the same faces: a paired bootstrap of any metric, and McNemar's\n"
        "test for classes.",
        epilog="example:\n  affectzoo compare leaderboard dlp_cnn_s.ferplus hog+svm --metric mean_diagonal",
    )
    compare.add_argument("folder", type=Path, metavar="DIR", help="a benchmark's --out folder")
    compare.add_argument("first", metavar="FIRST", help="a system's name or a record's key")
    compare.add_argument("second", metavar="SECOND", help="another one")
    compare.add_argument("--metric", help="such as accuracy, f1, ccc (default: accuracy or ccc)")
    compare.add_json("a sentence")
    compare.set_defaults(run=lazily("affectzoo.leaderboard.compare_command"))


def add_reproduce(commands: Commands) -> None:
    """Add ``affectzoo reproduce``."""
    again = commands.add_parser(
        "reproduce",
        help="what to type to get a record's figures again; --run types it and compares",
        description="Say what a record of a benchmark, a test or a model card is of, and the commands\n"
        "behind it. With --run, measure it anew and compare: the exit status is 1 where faces,\n"
        "ground truth, weights or figures are others. --run does what the record says: read the\n"
        "commands of a record from elsewhere first.",
        epilog="example:\n  affectzoo reproduce board/records/KEY.json --data ferplus=DIR --run",
    )
    again.add_argument("record", type=Path, metavar="RECORD", help="a record's .json file")
    again.add_argument("--data", metavar="NAME=DIR", help="where its data sets are here", **MANY)
    again.add_argument("--run", dest="measure", action="store_true", help="measure it, and compare")
    again.add_argument(
        "--out", type=Path, default=Path("again"), metavar="DIR", help="for results (default: %(default)s)"
    )
    again.set_defaults(run=lazily("affectzoo.leaderboard.reproducing"))


def add_features(commands: Commands) -> None:
    """Add ``affectzoo features``."""
    features = commands.add_parser(
        "features",
        help="a model's features of faces, as a table and as an image",
        description="Write the features of every face of a split, and their map in two dimensions\n"
        "(t-SNE), colored by class and by intensity.",
        epilog="examples:\n"
        "  affectzoo features dlp_cnn_s.ferplus --data ferplus=DIR --split valid --out features\n"
        "  affectzoo features dlp_cnn_s.ferplus --layer list\n"
        "  affectzoo features hog --data ferplus=DIR --split valid --out features",
    )
    features.add_argument("model", metavar="MODEL", help="as for load, or hog, hog256, lbp, gabor, shape")
    features.add_argument("--layer", help="a layer of the network, or: list")
    features.add_argument("--data", metavar="NAME=DIR", help="the data set and its folder")
    features.add_argument("--split", **SPLIT, default="test", help="(default: %(default)s)")
    features.add_set()
    features.add_argument("--limit", **COUNT, metavar="N", help="take N faces, drawn at random")
    features.add_argument("--out", type=Path, metavar="DIR", help="gets features.parquet and features.png")
    features.add_json("a summary")
    features.set_defaults(run=lazily("affectzoo.benchmark.features.projection"))
