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
from lightning.pytorch.callbacks import RichProgressBar

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.errors import AffectZooError
from affectzoo.models.base import AffectModel
from affectzoo.training.checkpoints import LastCheckpoint
from affectzoo.training.cli import ZooCLI
from affectzoo.training.provenance import SaveRecipe


def run(arguments: Sequence[str]) -> None:
    """Run one of LightningCLI's subcommands.

    Args:
        arguments: Command line after ``affectzoo``, beginning with fit, validate or test.

    Raises:
        AffectZooError: Data, weights or settings are wrong.
        SystemExit: With 2 when the arguments are wrong.
    """
    torch.set_float32_matmul_precision("high")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_no_advertisement)
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=DeprecationWarning)
    try:
        ZooCLI(
            AffectModel,
            FaceDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=SaveRecipe,
            seed_everything_default=0,
            trainer_defaults={
                "callbacks": [RichProgressBar(console_kwargs={"stderr": True}), LastCheckpoint()]
            },
            parser_kwargs={"exit_on_error": False, "prog": "affectzoo"},
            args=list(arguments),
        )
    except argparse.ArgumentError as error:
        print(f"affectzoo {arguments[0]}: {usage_fault(str(error.message or error))}", file=sys.stderr)
        print(f"see: affectzoo {arguments[0]} --help", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        # jsonargparse wraps what a constructor raises; the original is what helps.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, AffectZooError):
            cause = cause.__cause__
        raise cause or error from None


def usage_fault(message: str) -> str:
    """The line of jsonargparse's message that names the fault, then the message itself.

    It nests one explanation per accepted type; the innermost that is not about leaving the value out is
    the fault.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    telling = [ln for ln in lines if "NoneType" not in ln and not ln.strip().startswith("Given value")]
    deepest = max(telling or lines, key=lambda line: len(line) - len(line.lstrip()))
    headline = deepest.strip().removeprefix("- ")
    above = lines[lines.index(deepest) - 1].strip()
    if above.startswith("Parser key"):
        headline = f"{above.removeprefix('Parser key ')} {headline}"
    return headline if len(lines) == 1 else f"{headline}\n{message}"


def _no_advertisement(record: logging.LogRecord) -> bool:
    return "litlogger" not in str(record.msg)
