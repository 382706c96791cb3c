"""``affectzoo fit``, ``validate`` and ``test``: LightningCLI over the zoo's models and data modules.

Every run has one folder: its recipe, checkpoints, logs, the exported weights and the results.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

import torch
from jsonargparse import DefaultHelpFormatter

from affectzoo.console import HelpTexts
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.modules import AffectModule
from affectzoo.training.cli import ZooCLI
from affectzoo.training.faults import readable_fault, usage_fault
from affectzoo.training.provenance import SaveRecipe

EVALUATES = "Evaluate weights on the {} part of a recipe's data: a table, and a record in the run's folder."
TOLD = {
    "fit": "Train a model by a recipe, which names model, data and trainer; any option changes what it says. "
    "The run's folder gets checkpoints, logs and weights, and works wherever a model's name does.",
    "validate": EVALUATES.format("validation"),
    "test": EVALUATES.format("test"),
}
"""What each subcommand does."""

FIT = """\
examples:
  affectzoo fit --recipe dlp_cnn_s/folder --data.root faces --model.labels "[bored, calm, tense]"
  affectzoo fit --recipe dlp_cnn_s/ferplus --data.root DIR --trainer.max_epochs 5 --run_dir runs/short
  affectzoo fit --config runs/short/config.yaml --ckpt_path runs/short/checkpoints/last.ckpt    # goes on

Recipes: affectzoo recipes. What came of a run: affectzoo predict photo.jpg --model runs/short
"""

EVALUATE = """\
examples:
  affectzoo {name} --recipe dlp_cnn_s/ferplus --data.root DIR --model.weights ferplus
  affectzoo {name} --config runs/mine/config.yaml --model.weights runs/mine --model.new_head false
"""


class _Help(HelpTexts, DefaultHelpFormatter):
    """Examples as they are written, options as jsonargparse tells them."""


_SILENT = ("litlogger", "TPU available", "Loading `train_dataloader`", "`Trainer.fit` stopped")
"""Of Lightning's messages."""


def run(arguments: Sequence[str]) -> None:
    """Run one of LightningCLI's subcommands.

    Args:
        arguments: Command line after ``affectzoo``, beginning with fit, validate or test.

    Raises:
        AffectZooError: Data, weights or settings are wrong.
        SystemExit: With 2 when the arguments are wrong, 130 after Ctrl-C, 143 after SIGTERM.
    """
    name = arguments[0]
    own = {
        "usage": f"affectzoo {name} --recipe ARCH/DATASET --data.root DIR [--OPTION VALUE ...]",
        "description": TOLD[name],
        "epilog": FIT if name == "fit" else EVALUATE.format(name=name),
    }
    torch.set_float32_matmul_precision("high")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_telling)
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    warnings.filterwarnings("ignore", message="The number of training batches")
    try:
        ZooCLI(
            arguments,
            model_class=AffectModule,
            datamodule_class=FaceDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=SaveRecipe,
            auto_configure_optimizers=False,  # --model.optimizer says it, and is what records tell
            seed_everything_default=0,
            load_from_checkpoint_support=False,  # weights have their arguments in their metadata
            parser_kwargs={"exit_on_error": False, "prog": "affectzoo", "formatter_class": _Help, name: own},
        )
    except argparse.ArgumentError as error:
        print(f"affectzoo {name}: {usage_fault(str(error.message or error))}", file=sys.stderr)
        print(f"see: affectzoo {name} --help", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        raise readable_fault(error) from None


def _telling(record: logging.LogRecord) -> bool:
    """Leave out Lightning's advertisement, and lines that say nothing of this training."""
    return not any(part in str(record.msg) for part in _SILENT)
