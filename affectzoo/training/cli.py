"""LightningCLI over the zoo's models and data modules."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from affectzoo.training.report import RunReport

MONITORS = {"expression": "valid/accuracy", "multitask": "valid/accuracy"}
"""By which validation metric a task's best epoch is known; the others': ``valid/ccc``."""


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

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Tell the report what was typed."""
        trainer = super().instantiate_trainer(**kwargs)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RunReport):
                callback.command = shlex.join(["affectzoo", *self._typed])
        return trainer

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and keep what was typed."""
        self._typed = [str(word) for word in args or ()]
        super().parse_arguments(parser, args)

    def _run_dir(self, config: Any) -> Path:
        if config.run_dir is not None:
            return Path(config.run_dir)
        given = (config.model.get("init_args") or {}).get("weights")
        if self.subcommand != "fit" and given is not None and (Path(given) / "config.yaml").is_file():
            return Path(given)  # a run keeps its results; each says which weights it is of
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
