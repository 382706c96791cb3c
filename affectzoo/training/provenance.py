"""Where weights come from: the recipe, its hash, the data and the faces of a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml
from lightning.pytorch.cli import SaveConfigCallback

from affectzoo import store, weights
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.ids import ids, sketch, split_hash, told_apart
from affectzoo.errors import DataError
from affectzoo.evaluation.measurement import Context
from affectzoo.files.fetch import sha256
from affectzoo.files.writing import write_text
from affectzoo.models.base import AffectModel
from affectzoo.training.distillation import Distillation
from affectzoo.weights import Training, WeightsMeta

SCHEDULE = (
    "max_epochs",
    "max_steps",
    "precision",
    "callbacks",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "limit_train_batches",
    "sync_batchnorm",
    "check_val_every_n_epoch",
    "max_time",
)
"""Options of the trainer that change the result."""
SELDOM: Mapping[str, Mapping[str, Any]] = {
    "trainer": {
        **dict.fromkeys(("min_epochs", "min_steps", "limit_val_batches", "val_check_interval")),
        **{"overfit_batches": 0, "fast_dev_run": False},
    },
    "checkpoint": dict.fromkeys(("every_n_train_steps", "train_time_interval", "save_on_train_epoch_end")),
}
"""Others that change it, with their defaults, beside which they count."""


class SaveRecipe(SaveConfigCallback):
    """Writes the complete configuration of a training to ``config.yaml`` in its run's folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take LightningCLI's arguments; the place is the run's folder."""
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the file, for trainings only; where this run is, and what it went on from, is not in it."""
        if stage == "fit" and self.config.get("ckpt_path") is None:
            self._write(trainer)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file of a resumed training, once its checkpoint was taken; a refused one writes none."""
        if trainer.is_global_zero and self.config.get("ckpt_path") is not None:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        write_text(Path(trainer.default_root_dir) / self.config_filename, self.text)

    @cached_property
    def text(self) -> str:
        """The file's content, made once, as that takes long and each checkpoint asks for it."""
        config = self.config.clone()
        config.run_dir = config.ckpt_path = None
        config.overwrite = False
        text: str = self.parser.dump(config, skip_none=False)
        return text


def trained_meta(trainer: pl.Trainer, model: AffectModel) -> WeightsMeta:
    """Describe weights that a training makes: the model, what it learned from, and the terms of its start."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    known = isinstance(data, FaceDataModule)
    return replace(
        model.describe(),
        window=data.window if known else 0,
        eval_window=data.eval_window if known else 0,
        eval_stride=data.eval_stride if known else 0,
        fresh=(),
        metrics=(),
        prior=(),
        balance=0.0,
        threshold=0.0,
        license=_license(trainer, model),
        training=_training(trainer, model),
    )


def _license(trainer: pl.Trainer, model: AffectModel) -> dict[str, str]:
    """The terms of the weights it started from, and of its teachers."""
    terms = {} if model.start is None else dict(model.start.license)
    for teaching in _distillations(trainer):
        terms |= teaching.license
    return terms


def _distillations(trainer: pl.Trainer) -> list[Distillation]:
    return [c for c in trainer.callbacks if isinstance(c, Distillation)]  # type: ignore[attr-defined]


def notes_of(trainer: pl.Trainer) -> dict[str, Any]:
    """Collect what the data module excluded, how it reads labels and who taught, as far as known by now."""
    notes: dict[str, Any] = {}
    data = trainer.datamodule  # type: ignore[attr-defined]
    if isinstance(data, FaceDataModule):
        notes = {"left_out": dict(data.index.left_out), "unreadable": list(data.unreadable)}
        rule = getattr(data, "rule", None)
        notes |= {} if rule is None else {"training_label_rule": rule}
    teachers = [store.public_name(name) for t in _distillations(trainer) for name in t.teachers]
    return notes | {"teachers": teachers} if teachers else notes


def origin(trainer: pl.Trainer, model: AffectModel) -> Context:
    """Say which weights are measured: a checkpoint's, a file's, or none that has a name."""
    checkpoint = trainer.ckpt_path
    if checkpoint is not None:
        run = Path(checkpoint).parent.parent
        exported = run / weights.FILE_NAME
        if exported.is_file() and weights.fingerprint(weights.read_tensors(exported)) == weights.fingerprint(
            model.network_state()
        ):
            return _file_origin(str(run), exported)
        return Context(spec=str(checkpoint))
    saved = next((c for c in trainer.callbacks if isinstance(c, SaveRecipe)), None)  # type: ignore[attr-defined]
    config: Any = {} if saved is None else saved.config
    given = config.get("model", {}).get("init_args", {}).get("weights")
    if given is None or model.meta is None:
        return Context()
    named = f"{model.arch}.{given}"
    return _file_origin(named if named in store.entries() else given, store.locate(given, model.arch).path)


def _file_origin(spec: str, path: Path) -> Context:
    return Context(spec=spec, meta=weights.read_meta(path), file_sum=sha256(path))


def _training(trainer: pl.Trainer, model: AffectModel) -> Training:
    """Collect what tells a run from others: recipe, seed, faces it was trained and chosen on."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    facts: dict[str, Any] = {"data": type(data).__name__}
    facts["started_from"] = None if model.start is None else model.start.name
    saved = next((c for c in trainer.callbacks if isinstance(c, SaveRecipe)), None)  # type: ignore[attr-defined]
    if saved is not None:
        facts["seed"] = saved.config.get("seed_everything")
        facts["recipe_hash"] = recipe_hash(yaml.safe_load(saved.text), trainer.world_size)
    if isinstance(data, FaceDataModule):
        facts["data"] = data.index.dataset
        facts |= {name: getattr(data, name) for name in ("fold", "folds") if hasattr(data, name)}
        for split in ("train", "valid"):
            with suppress(DataError):  # of faces that cannot be told apart; the training is done, keep it
                index = data.split_index(split)
                facts[f"{split}_hash"] = split_hash(ids(index))
                facts |= {"train_sketch": sketch(told_apart(index))} if split == "train" else {}
    return Training(**facts)


def recipe_hash(config: Mapping[str, Any], processes: int = 1) -> str:
    """SHA-256 of what a configuration says of the result.

    Runs that differ in nothing but seed, fold, place and machine have the same.

    Args:
        config: A training's complete configuration, as in a run's ``config.yaml``.
        processes: How many trained together; the batch size is that of each.
    """
    elsewhere = {"root", "num_workers", "fold"}
    options = {k: v for k, v in config["data"].get("init_args", {}).items() if k not in elsewhere}
    model = dict(config["model"].get("init_args", {}))
    model["weights"] = model.get("weights") is not None  # each fold or seed may start from its own
    trainer = {name: config["trainer"].get(name) for name in SCHEDULE}
    checkpoint = config.get("checkpoint") or {}
    chosen = {name: checkpoint.get(name) for name in ("monitor", "mode", "every_n_epochs")}
    told = [config["model"]["class_path"], model, config["data"]["class_path"], options, trainer]
    told += [config.get("report"), processes, chosen]
    told += [
        {name: value}
        for part, defaults in SELDOM.items()
        for name, default in defaults.items()
        if (value := (config.get(part) or {}).get(name)) is not None and value != default
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
