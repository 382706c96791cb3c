"""The commands and their options, in one parser."""

from __future__ import annotations

import argparse

from affectzoo import __version__
from affectzoo.cli import benchmark, data, doctor, recipes, serving, training, weights, zoo
from affectzoo.cli.options import Parser

COMMANDS = (
    zoo.add_demo,
    zoo.add_models,
    zoo.add_predict,
    serving.add_app,
    serving.add_serve,
    recipes.add_recipes,
    data.add_data,
    benchmark.add_benchmark,
    benchmark.add_leaderboard,
    benchmark.add_compare,
    benchmark.add_reproduce,
    benchmark.add_features,
    doctor.add_doctor,
    weights.add_convert,
    weights.add_import,
    weights.add_calibrate,
    weights.add_publish,
    weights.add_export,
)
"""In the order of ``affectzoo --help``."""

EPILOG = """\
train and evaluate (options by LightningCLI, see: affectzoo fit --help):
{training}

examples:
  affectzoo demo
  affectzoo models --pretrained
  affectzoo predict photo.jpg --render out
  affectzoo predict faces/ --detector none --out faces.csv
  affectzoo fit --recipe dlp_cnn_s/ferplus --data.root DIR
  affectzoo test --recipe dlp_cnn_s/ferplus --data.root DIR --model.weights ferplus
  affectzoo benchmark --data ferplus=DIR --protocol ferplus_valid --models dlp_cnn_s.ferplus hog+svm
  affectzoo publish runs/mine --repo OWNER/NAME --dry-run --out mine
  affectzoo export dlp_cnn_s.ferplus --out face.onnx
"""


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options, except those that train, which read their options themselves."""
    told = "\n".join(f"  {name:<14}  {does}" for name, does in training.COMMANDS.items())
    parser = Parser(
        prog="affectzoo",
        description="Pretrained models for facial affect: load, fine-tune, benchmark.",
        epilog=EPILOG.format(training=told),
    )
    parser.add_argument("--version", action="version", version=f"affectzoo {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    for name in training.COMMANDS:  # so that they are among those that a wrong name could have meant
        commands.add_parser(name)
    return parser
