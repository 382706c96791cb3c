"""``affectzoo fit``, ``validate`` and ``test``: LightningCLI over the zoo's models and data modules.

Every run has one folder: its recipe, checkpoints, logs, the exported weights and the results.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import (
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from affectzoo import weights
from affectzoo.console import stdout
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.ids import ids, split_hash
from affectzoo.errors import AffectZooError, DataError
from affectzoo.evaluation.evaluate import (
    evaluation_record,
    evaluation_table,
    predictions_table,
    write_evaluation,
)
from affectzoo.models.base import AffectModel
from affectzoo.zoo.loading import seal

MONITORS = {"expression": "valid/accuracy", "multitask": "valid/accuracy"}
"""By which validation metric a task's best epoch is known; the others': ``valid/ccc``."""


SCHEDULE = (
    "max_epochs",
    "max_steps",
    "precision",
    "callbacks",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "limit_train_batches",
)
"""Options of the trainer that change the result."""


class SaveRecipe(SaveConfigCallback):
    """Writes the complete configuration of a training to ``config.yaml`` in its run's folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take LightningCLI's arguments; the place is the run's folder."""
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the file, for trainings only."""
        if stage == "fit":
            path = Path(trainer.default_root_dir) / self.config_filename
            path.parent.mkdir(parents=True, exist_ok=True)
            self.parser.save(self.config, path, skip_unset=False, overwrite=True)


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``checkpoints/last.ckpt`` at the last finished epoch, to resume from.

    ModelCheckpoint's ``save_last`` is no such thing: with a monitored metric it is written only when that
    metric improves.
    """

    def __init__(self) -> None:
        """Save every epoch over the one before."""
        super().__init__(filename="last", enable_version_counter=False)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle in the run's folder."""
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)


class RunReport(Callback):
    """At the end of a stage: weights, metrics as JSON, the confusion matrix, and a table on screen."""

    def __init__(self, export: str = "best") -> None:
        """Say which weights a run exports.

        Args:
            export: ``best`` by the monitored validation metric, or ``last``.
        """
        if export not in ("best", "last"):
            raise ValueError(f"report.export is '{export}', expected best or last")
        self.export = export

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``model.safetensors`` from the chosen checkpoint and show the validation metrics."""
        assert isinstance(pl_module, AffectModel)
        saved = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
        is_last = self.export == "last"
        checkpoints = next((c for c in saved if isinstance(c, LastCheckpoint) == is_last), None)
        if checkpoints is None or not checkpoints.best_model_path:
            return
        chosen = checkpoints.best_model_path
        state = torch.load(chosen, map_location="cpu", weights_only=True)
        tensors = {
            name.removeprefix("network."): tensor
            for name, tensor in state["state_dict"].items()
            if name.startswith("network.")
        }
        rule = (
            f"highest {checkpoints.monitor} of {trainer.current_epoch} epochs"
            if not is_last
            else "last epoch of the schedule, none chosen by results"
        )
        meta = replace(
            pl_module.describe(),
            metrics=(),
            licence=_licence(pl_module),
            training={
                **_data_facts(trainer),
                **_training_facts(trainer),
                "epochs": trainer.current_epoch,
                "epoch": state["epoch"] + 1,
                "epoch_rule": rule,
            },
        )
        path = Path(trainer.default_root_dir) / weights.FILE_NAME
        weights.write(path, tensors, meta)
        seal(path)
        rank_zero_info(f"weights: {path} ({self.export} checkpoint)")

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report a validation of its own; those within a training go to the logs."""
        if trainer.state.fn == "validate":
            self._report(trainer, pl_module, "valid", "valid")

    @rank_zero_only
    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report a test."""
        split = getattr(trainer.datamodule, "test_split", "test")  # type: ignore[attr-defined]
        self._report(trainer, pl_module, "test", split)

    def _report(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str, split: str) -> None:
        assert isinstance(pl_module, AffectModel)
        predicted = pl_module.predicted[stage]
        data = trainer.datamodule  # type: ignore[attr-defined]
        known = isinstance(data, FaceDataModule)
        record = evaluation_record(pl_module, predicted, data.index.scale if known else 1.0)
        record |= {"split": split} | _data_facts(trainer)
        folder = Path(trainer.default_root_dir) / stage
        title = f"{pl_module.arch} on {record['data']} {split}"
        table = predictions_table(pl_module, predicted, data.split_index(split)) if known else None
        write_evaluation(record, folder, title, table)
        console = stdout()
        console.print(evaluation_table(record, title))
        console.print(f"results: {folder}", highlight=False)


def _data_facts(trainer: pl.Trainer) -> dict[str, Any]:
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, FaceDataModule):
        return {"data": type(data).__name__}
    facts: dict[str, Any] = {
        "data": data.index.dataset,
        "left_out": dict(data.index.left_out),
        "unreadable": list(data.unreadable),
    }
    if data.window:
        facts |= {"window": data.window, "eval_window": data.eval_window, "eval_stride": data.eval_stride}
    rule = getattr(data, "rule", None)
    return facts if rule is None else facts | {"training_label_rule": rule}


def _licence(model: AffectModel) -> dict[str, str]:
    """Of weights that start from others: the others' terms; pictures and labels are not theirs."""
    started = None if model.meta is None else model.meta.licence.get("weights")
    return {} if started is None else {"starting weights": started}


def _public(name: str) -> str:
    """What weights are called elsewhere: a path goes by its last part."""
    path = Path(name).expanduser()
    return path.name if path.exists() else name


def _training_facts(trainer: pl.Trainer) -> dict[str, Any]:
    """What tells a run from others: its recipe, its seed, and on which faces it was trained and chosen."""
    facts: dict[str, Any] = {}
    saved = next((c for c in trainer.callbacks if isinstance(c, SaveRecipe)), None)  # type: ignore[attr-defined]
    if saved is not None:
        facts["seed"] = saved.config.get("seed_everything")
        config = yaml.safe_load(saved.parser.dump(saved.config, skip_none=False))
        facts["recipe_hash"] = recipe_hash(config)
        given = config["model"].get("init_args", {})
        if given.get("weights") is not None:
            facts["started_from"] = _public(given["weights"])
        elif given.get("pretrained"):
            facts["started_from"] = "ImageNet weights of timm"
    data = trainer.datamodule  # type: ignore[attr-defined]
    if isinstance(data, FaceDataModule):
        facts |= {name: getattr(data, name) for name in ("fold", "folds") if hasattr(data, name)}
        for split in ("train", "valid"):
            with suppress(DataError):  # of faces that cannot be told apart; the training is done, keep it
                facts[f"{split}_hash"] = split_hash(ids(data.split_index(split)))
    return facts


def recipe_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of what a configuration says of the result.

    Runs that differ in nothing but seed, fold, place and machine have the same.

    Args:
        config: A training's complete configuration, as in a run's ``config.yaml``.
    """
    elsewhere = {"root", "num_workers", "fold"}
    options = {k: v for k, v in config["data"].get("init_args", {}).items() if k not in elsewhere}
    model = dict(config["model"].get("init_args", {}))
    model["weights"] = model.get("weights") is not None  # each fold or seed may start from its own
    trainer = {name: config["trainer"].get(name) for name in SCHEDULE}
    told = [config["model"]["class_path"], model, config["data"]["class_path"], options, trainer]
    told.append(config.get("report"))
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


class ZooCLI(LightningCLI):
    """LightningCLI that links data to model and gives every run its folder."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Let data conform to the model; add checkpoints, the report and the run's folder."""
        for name in ("preprocess", "labels", "landmarks"):
            parser.link_arguments(f"model.{name}", f"data.init_args.{name}", apply_on="instantiate")
        parser.add_argument(
            "--run_dir",
            type=str | None,
            default=None,
            help="Where the run's files go; by default runs/ARCH-DATA, numbered when taken.",
        )
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(RunReport, "report")
        parser.set_defaults(
            {
                "checkpoint.filename": "best",
                "checkpoint.mode": "max",
                "checkpoint.enable_version_counter": False,
            }
        )

    def before_instantiate_classes(self) -> None:
        """Choose the run's folder and point logs and checkpoints there."""
        config = self.config[self.subcommand]
        folder = self._run_dir(config).absolute()  # a resumed run compares paths
        config.trainer.default_root_dir = str(folder)
        config.checkpoint.dirpath = str(folder / "checkpoints")
        if config.checkpoint.monitor is None:
            task = (config.model.get("init_args") or {}).get("task", "expression")
            config.checkpoint.monitor = MONITORS.get(task, "valid/ccc")
        if self.subcommand != "fit" or config.trainer.fast_dev_run:
            config.trainer.logger = False
        elif config.trainer.logger is None:
            loggers = ("CSVLogger", "csv"), ("TensorBoardLogger", "tensorboard")
            config.trainer.logger = [
                {
                    "class_path": f"lightning.pytorch.loggers.{kind}",
                    "init_args": {"save_dir": str(folder), "name": name},
                }
                for kind, name in loggers
            ]
        if self.subcommand != "fit":
            config.verbose = False  # RunReport shows the results

    def _run_dir(self, config: Any) -> Path:
        if config.run_dir is not None:
            return Path(config.run_dir)
        resumed = config.get("ckpt_path")
        if resumed is not None and Path(resumed).parent.name == "checkpoints":
            return Path(resumed).parent.parent
        module, _, name = config.model.class_path.rpartition(".")
        arch = getattr(importlib.import_module(module), name).arch
        data = config.data.class_path.rpartition(".")[2].lower()
        base = Path("runs") / f"{arch}-{data}"
        number, folder = 1, base
        while folder.exists():
            number += 1
            folder = base.with_name(f"{base.name}-{number}")
        return folder


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
