"""The checkpoints that a run keeps: written whole or not at all, checked when they are read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from affectzoo.errors import OutputError, UnknownNameError, WeightsError
from affectzoo.files.writing import writing
from affectzoo.training.monitor import Mode, better
from affectzoo.zoo.checkpoints import named_as_now

FOLDER = "checkpoints"
"""Where a run keeps them."""

LAST = "last.ckpt"
"""The one to resume from."""


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside their target, to the disk, then renames: the one before stays until then."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            OutputError: It cannot be written, as on a full disk; the checkpoint before is kept.
        """
        with writing(Path(path)) as part:
            try:
                with part.open("wb") as file:
                    torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's writer hides the system's error
                if not isinstance(error.__context__, OSError):
                    raise
                told = error.__context__.strerror
                raise OutputError(f"{path}: cannot be written: {told}") from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; no code in it runs.

        Raises:
            WeightsError: See ``read_training``.
        """
        return read_training(Path(path))


def read_training(path: Path) -> dict[str, Any]:
    """Read a training's checkpoint onto the CPU; no code in it runs.

    Raises:
        WeightsError: It is missing, damaged or of something else; names the run's last good one.
    """
    try:
        return _read(path)
    except WeightsError as error:
        others = [other for other in readable(path.parent) if other != path]
        way = f"the last good checkpoint there: --ckpt_path {shlex.quote(str(others[0]))}" if others else ""
        raise WeightsError("; ".join(filter(None, (str(error), way)))) from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no error of its own for damage
        told = "" if isinstance(error, UnpicklingError) else f": {str(error).partition(chr(10))[0][:120]}"
        raise WeightsError(
            f"{path}: damaged, or no checkpoint of a training ({type(error).__name__}{told})"
        ) from None
    needed = {"affectzoo", "state_dict", "epoch"}
    if not (isinstance(content, dict) and needed <= set(content) and isinstance(content["state_dict"], dict)):
        raise WeightsError(f"{path}: no checkpoint of an affectzoo training")
    states = {"state_dict", "current_model_state"} & set(content)  # the second where weights are averaged
    return content | {name: named_as_now(content[name]) for name in states}


def readable(*folders: Path) -> list[Path]:
    """List the undamaged checkpoints of folders, that of the most steps first."""
    found: list[tuple[int, bool, Path]] = []
    for path in (path for folder in folders for path in folder.glob("[!.]*.ckpt")):  # hidden: never finished
        try:
            found.append((_read(path)["global_step"], path.name == LAST, path))
        except WeightsError:
            continue
    return [path for *_, path in sorted(found, reverse=True)]


def state_to_export(path: Path) -> tuple[dict[str, torch.Tensor], int]:
    """Read the network's tensors of a checkpoint, and how many epochs they were trained."""
    state = read_training(path)
    return network_tensors(state["state_dict"]), state["epoch"] + 1


def network_tensors(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Pick the network's own tensors out of a module's, by the names that weights files use."""
    own = {name: tensor for name, tensor in state.items() if name.startswith(("trunk.", "heads."))}
    return {name: tensor.detach().cpu() for name, tensor in own.items()}


class RunCheckpoint(ModelCheckpoint):
    """A checkpoint in its run's folder, also where the folder was moved since."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle in the run's folder, and clear away what a killed process could not finish there."""
        folder = Path(trainer.default_root_dir) / FOLDER
        self.dirpath = str(folder)
        if stage == "fit" and trainer.is_global_zero:
            for part in folder.glob(".*.ckpt"):
                part.unlink(missing_ok=True)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a run's state; that of a run elsewhere only as far as its files are here."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else ""

        models = {here(path): score for path, score in state_dict["best_k_models"].items()}
        paths = {name: here(state_dict[name]) for name in ("best_model_path", "last_model_path")}
        if all(Path(path).is_file() for path in (*models, paths["best_model_path"]) if path):
            kth = here(state_dict["kth_best_model_path"])
            moved = {"dirpath": self.dirpath, "best_k_models": models, "kth_best_model_path": kth}
            super().load_state_dict({**state_dict, **paths, **moved})


class BestCheckpoint(RunCheckpoint):
    """Keeps ``checkpoints/best.ckpt`` by a validation metric; a value that is not finite never wins."""

    def __init__(self, monitor: str | None = None, mode: Mode | None = None, **options: Any) -> None:
        """Say by what the best epoch is known.

        Args:
            monitor: A logged metric; by default the task's: ``valid/accuracy`` or ``valid/ccc``.
            mode: ``min`` or ``max``; by default as the metric demands.
            **options: As for ModelCheckpoint.

        Raises:
            UnknownNameError: No such metric is known.
        """
        right = "max" if monitor is None else better(monitor)
        super().__init__(monitor=monitor, mode=mode or right, **options)

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Tell whether a value is among the best."""
        if current is None or not trainer.strategy.reduce_boolean_decision(bool(current.isfinite())):
            return False
        return bool(super().check_monitor_top_k(trainer, current))

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check before training starts that the metric will be logged.

        Raises:
            UnknownNameError: It will not: another task's, or that of clips where there are none.
        """
        if not trainer.callback_metrics:  # nothing in these few batches could be read
            return
        known = [*trainer.callback_metrics, "train/loss"]
        if self.monitor is not None and self.monitor.startswith("valid/") and self.monitor not in known:
            raise UnknownNameError("metric to monitor", self.monitor, known)


class LastCheckpoint(RunCheckpoint):
    """Keeps ``checkpoints/last.ckpt`` at the last finished epoch, to resume from.

    ModelCheckpoint's ``save_last`` is no such thing: with a monitored metric it is written only when that
    metric improves.
    """

    def __init__(self) -> None:
        """Save every epoch over the one before."""
        name = Path(LAST).stem
        super().__init__(filename=name, enable_version_counter=False, save_on_train_epoch_end=True)
