"""LightningCLI over the zoo's models and data modules."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from affectzoo.errors import AffectZooError, OptionError
from affectzoo.files.folders import user_path
from affectzoo.files.writing import try_writing
from affectzoo.store import entries
from affectzoo.training.checkpoints import (
    FOLDER,
    LAST,
    BestCheckpoint,
    DurableCheckpointIO,
    LastCheckpoint,
    readable,
)
from affectzoo.training.faults import readable_fault, usage_fault
from affectzoo.training.finite import FiniteTraining
from affectzoo.training.monitor import check_monitors
from affectzoo.training.progress import OneLineProgress
from affectzoo.training.recipes import check_recipe, recipe_path
from affectzoo.training.report import RunReport
from affectzoo.training.runs import CLAIM, CONFIG, Run, claim, claim_numbered
from affectzoo.training.stopping import StopTogether, stopped
from affectzoo.zoo.loading import described
from affectzoo.zoo.work import check_size

MONITORS = {"expression": "valid/accuracy", "multitask": "valid/accuracy", "landmarks": "valid/nme"}
"""By which validation metric a task's best epoch is known; the others': ``valid/ccc``."""

_FOLDER_OF_RANK_0 = "AFFECTZOO_RUN_DIR"
"""Tells the run's folder to the processes that the first one starts."""


class RecipeAction(ActionConfigFile):
    """Takes a recipe by its file or its name."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Apply its settings."""
        if option_string == "--recipe":
            values = str(recipe_path(values))
        check_recipe(Path(values))
        super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]


class ZooCLI(LightningCLI):
    """LightningCLI that links data to model and gives every run its folder."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        """Parse and run a command.

        Args:
            command: What the user typed after ``affectzoo``.
            **options: As for LightningCLI.
        """
        self.command = list(command)
        super().__init__(args=self.command, **options)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Name the given command alone, as building the parser of each of Lightning's four takes long."""
        name = self.command[0]
        return {name: super().subcommands()[name]}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Make a parser that takes recipes by file and by name."""
        parser = self.parser_class(**kwargs)
        told = "A recipe: --config takes its YAML file, --recipe the name of one of the package, such as "
        told += "dlp_cnn_s/folder (affectzoo recipes lists them)."
        parser.add_argument("-c", "--config", "--recipe", action=RecipeAction, help=told)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Let data conform to the model; add checkpoints, the report and the run's folder."""
        for own, name in (("preprocess",) * 2, ("labels",) * 2, ("data_landmarks", "landmarks")):
            parser.link_arguments(f"model.{own}", f"data.init_args.{name}", apply_on="instantiate")
        parser.add_argument(
            "--run_dir",
            type=str | None,
            default=None,
            help="Where the run's files go; by default runs/ARCH-DATA, numbered when taken.",
        )
        parser.add_argument(
            "--overwrite",
            type=bool,
            default=False,
            help="Replace the run in --run_dir; it is kept until the new one has a checkpoint.",
        )
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.add_lightning_class_args(RunReport, "report")
        parser.set_defaults({"checkpoint.filename": "best", "checkpoint.enable_version_counter": False})
        parser.set_defaults({"trainer.enable_model_summary": False})  # RunReport says what is of use in it

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, then check what the parser's types leave open."""
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        seed = config.seed_everything
        if not isinstance(seed, bool) and (seed is None or not 0 <= seed < 2**32):
            raise OptionError(f"seed_everything is {seed}, expected 0 to {2**32 - 1}")
        for name in ("max_epochs", "max_steps", "limit_train_batches"):
            if self.config.subcommand == "fit" and config.trainer.get(name) == 0:
                raise OptionError(f"trainer.{name} is 0: nothing would be trained")
        for name in ("accumulate_grad_batches", "gradient_clip_val", "check_val_every_n_epoch"):
            given = config.trainer.get(name)
            if given is not None and not given > 0:
                raise OptionError(f"trainer.{name} is {given}, expected a number above 0")

    def _parse_ckpt_path(self) -> None:
        """Take a run's folder for its last checkpoint; models have their arguments from the recipe."""
        config = self.config[self.config.subcommand]
        given = config.get("ckpt_path")
        if given is None:
            return
        path = user_path(given).absolute()
        path = path / FOLDER / LAST if path.is_dir() else path
        if not path.is_file():
            raise OptionError(f"ckpt_path: {path}: no such checkpoint; expected a file, or a run's folder")
        config.ckpt_path = str(path)

    def before_instantiate_classes(self) -> None:
        """Settle paths, the metric of the best epoch, and what the trainer's switches turn off."""
        config = self.config[self.subcommand]
        _settle_paths(config)
        trainer = config.trainer
        if trainer.barebones:
            trainer.enable_checkpointing = trainer.enable_progress_bar = False
            trainer.log_every_n_steps = 0
        if config.checkpoint.monitor is None:
            task = (config.model.get("init_args") or {}).get("task", "expression")
            config.checkpoint.monitor = MONITORS.get(task, "valid/ccc")
        bar = trainer.enable_progress_bar is not False
        callbacks: list[Any] = [OneLineProgress()] if bar else []
        if trainer.enable_checkpointing is False:
            self._parser(self.subcommand).callback_keys.remove("checkpoint")
        else:
            callbacks.append(LastCheckpoint())
        self.trainer_defaults = {"callbacks": [*callbacks, FiniteTraining(), StopTogether()]}
        if self.subcommand != "fit":
            config.verbose = False  # RunReport shows the results
            _settle_evaluation(config)

    def instantiate_classes(self) -> None:
        """Make data, model and trainer.

        Raises:
            AffectZooError: A setting is refused where it is used, such as a word that it does not know.
        """
        try:
            super().instantiate_classes()
        except (ValueError, TypeError, OverflowError, RuntimeError) as error:
            fault = readable_fault(error)
            if isinstance(fault, AffectZooError):
                raise fault from None
            raise OptionError(usage_fault(str(error)).splitlines()[0]) from error

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Make the trainer, once model and data are made and the run's folder is claimed.

        Raises:
            AffectZooError: Its options contradict each other, or ask for what this machine lacks.
        """
        config = self.config[self.subcommand]
        check_size(described(self.model.describe(), "the model"))
        self.run = self._claim(config)
        folder = self.run.folder
        given = self._get(self.config_init, "trainer")["plugins"]
        plugins = given if isinstance(given, list) else [given] if given is not None else []
        options: dict[str, Any] = {
            "default_root_dir": str(folder),
            "plugins": [*plugins, DurableCheckpointIO()],
        }
        if self.subcommand != "fit" or config.trainer.fast_dev_run or config.trainer.barebones:
            options["logger"] = False
        elif config.trainer.logger is None or config.trainer.logger is True:
            options["logger"] = [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]
        try:
            trainer = super().instantiate_trainer(**{**options, **kwargs})
            callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
            check_monitors(callbacks)
        except AffectZooError:
            self.run.tidy()
            raise
        except Exception as error:  # Lightning has MisconfigurationException, ValueError, ImportError, ...
            self.run.tidy()
            told = " ".join(str(error).split("\n\n")[0].split())
            raise AffectZooError(f"trainer: {told or type(error).__name__}") from None
        for callback in callbacks:
            if isinstance(callback, RunReport):
                callback.command = shlex.join(["affectzoo", *self.command])
        return trainer

    def _claim(self, config: Any) -> Run:
        """Take the run's folder, or that of a run to go on with."""
        resumed = None if config.get("ckpt_path") is None else Path(config.ckpt_path).parent
        own = resumed.parent if resumed is not None and resumed.name == FOLDER else None
        given = None if config.run_dir is None else Path(config.run_dir).absolute()
        if own is not None and given in (None, own):
            return Run(own)
        if getattr(rank_zero_only, "rank", 0) != 0:
            return Run(Path(os.environ.get(_FOLDER_OF_RANK_0) or given or self._base(config)).absolute())
        if config.trainer.fast_dev_run:
            return Run((given or self._base(config)).absolute())
        weights = (config.model.get("init_args") or {}).get("weights")
        if given is None and self.subcommand != "fit" and weights is not None:
            given = (
                Path(weights) if (Path(weights) / CONFIG).is_file() else None
            )  # results stay with their run
        if given is None:
            run = claim_numbered(self._base(config), self.command)
        elif self.subcommand == "fit":
            run = claim(given, self.command, overwrite=config.overwrite)
        else:
            run = Run(given)
            try_writing(given / CLAIM)
        os.environ[_FOLDER_OF_RANK_0] = str(run.folder)
        return run

    def _base(self, config: Any) -> Path:
        module, _, name = config.model.class_path.rpartition(".")
        arch = getattr(importlib.import_module(module), name).arch
        data = config.data.class_path.rpartition(".")[2].lower()
        return Path("runs") / f"{arch}-{data}"

    def fit(self, **arguments: Any) -> None:
        """Train; a stopped training says how to go on."""
        tried = self.trainer.fast_dev_run  # type: ignore[attr-defined]
        if not (self.run.claimed or tried) and arguments.get("ckpt_path") is None:  # perhaps requeued
            saved = readable(self.run.folder / FOLDER, self.run.folder)  # Lightning saves the latter then
            arguments["ckpt_path"] = str(saved[0]) if saved else None
        self._guarded(self.trainer.fit, arguments)
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RunReport):
                callback.tell_end()

    def validate(self, **arguments: Any) -> None:
        """Evaluate on the validation part."""
        self._guarded(self.trainer.validate, arguments)

    def test(self, **arguments: Any) -> None:
        """Evaluate on the test part."""
        self._guarded(self.trainer.test, arguments)

    def _guarded(self, work: Callable[..., Any], arguments: dict[str, Any]) -> None:
        try:
            with stopped(self.trainer):
                work(**arguments)
        except BaseException as error:
            if self.subcommand == "fit" and self.trainer.is_global_zero:
                self._tell_how_to_go_on(isinstance(error, SystemExit))
            raise
        finally:
            if self.trainer.is_global_zero and self.run.folder.is_dir():
                self.run.tidy()

    def _tell_how_to_go_on(self, interrupted: bool) -> None:
        last = self.run.last
        good = readable(last.parent) if last.is_file() and not interrupted else [last]  # may be what failed
        if good and good[0].is_file():
            told = self.run.resume_command(good[0])
            print(f"to resume from the last finished epoch: {told}", file=sys.stderr)
        elif interrupted:
            print("stopped before the first epoch's end: nothing to resume; start again", file=sys.stderr)


def _settle_evaluation(config: Any) -> None:
    """Measure what weights hold, never values drawn here.

    Raises:
        OptionError: Neither weights nor a checkpoint are named.
    """
    model: Any = config.model.get("init_args") or {}
    if config.get("ckpt_path") is not None or "new_head" not in model:
        return
    if model.weights is None:
        raise OptionError(
            "nothing trained to measure: name --model.weights (a run, a file, a name), or --ckpt_path"
        )
    model.new_head = False


def _settle_paths(config: Any) -> None:
    """Make paths absolute, so that a run's configuration is good from any folder."""
    data: Any = config.data.get("init_args") or {}
    model: Any = config.model.get("init_args") or {}
    if data.get("root") is not None and "://" not in data.root:
        data.root = str(user_path(data.root).absolute())
    names = {part for name in entries() for part in (name, name.partition(".")[2])}

    def settled(name: str) -> str:
        there = name not in names and os.path.lexists(user_path(name))
        return str(user_path(name).absolute()) if there else name

    if model.get("weights") is not None:
        model.weights = settled(model.weights)
    callbacks = config.trainer.get("callbacks") or []
    for callback in callbacks if isinstance(callbacks, list) else [callbacks]:
        options: Any = callback.get("init_args") or {}
        if isinstance(options.get("teachers"), list):
            options.teachers = [settled(str(name)) for name in options.teachers]
