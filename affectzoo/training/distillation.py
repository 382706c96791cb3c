"""Learning from the zoo's own models: targets of a training are mixed with its teachers' probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info

from affectzoo import store
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.errors import LabelError, OptionError
from affectzoo.evaluation.evaluate import Pass, predict_index
from affectzoo.labels import LabelSpace
from affectzoo.models.base import AffectModel
from affectzoo.processes import from_first_process
from affectzoo.sample import Batch
from affectzoo.zoo.loading import load


class Distillation(Callback):
    """Mixes the targets of training faces with what teachers say of them.

    Hinton et al., "Distilling the knowledge in a neural network" (2015), with probabilities as targets. The
    teachers see each face once, as they evaluate it, before the first step; the student sees it augmented.

    Attributes:
        license: The teachers' terms, under ``labels``; known once a training has begun.
    """

    def __init__(self, teachers: Sequence[str], share: float = 0.5, temperature: float = 1.0) -> None:
        """Say who teaches; weights are read when a training begins.

        Args:
            teachers: Names or files of trained weights that predict the student's classes; their
                probabilities are averaged.
            share: The teachers' part of a target, above 0, at most 1; the rest is the data's. Faces without a
                label have the teachers' answer alone, those that a teacher cannot answer for have the data's.
            temperature: By which teachers' scores are divided, above 0; more is softer.

        Raises:
            OptionError: A value is out of range, or there is no teacher.
        """
        if not teachers or isinstance(teachers, str):
            raise OptionError(f"distillation: teachers is {teachers!r}, expected a list of names of weights")
        if not 0 < share <= 1 or not 0 < temperature < float("inf"):
            raise OptionError(
                f"distillation: share is {share} and temperature {temperature}; expected 0 < share <= 1 and "
                "a temperature above 0"
            )
        self.teachers = tuple(map(str, teachers))
        self.share = share
        self.temperature = temperature
        self.license: dict[str, str] = {}
        self._said = torch.empty(0)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask the teachers about every training face.

        Raises:
            OptionError: Student or teacher predicts no classes, or the data are not of a data module.
            LabelError: A teacher's classes are not the student's.
        """
        labels = cast(AffectModel, pl_module).labels
        data = trainer.datamodule  # type: ignore[attr-defined]
        if labels is None or not isinstance(data, FaceDataModule):
            raise OptionError("distillation: needs a student that predicts classes, and a data module")
        index = data.split_index("train")
        terms = []
        said = torch.zeros(len(index), len(labels))
        for name in self.teachers:
            teacher = load(name).to(pl_module.device)
            columns = _columns(name, teacher.labels, labels)
            rank_zero_info(f"distillation: {store.public_name(name)} looks at {len(index):,} training faces")
            scores = from_first_process(lambda model=teacher: _scores(model, data))  # type: ignore[misc]
            said += (scores[:, columns] / self.temperature).softmax(dim=1) / len(self.teachers)
            start = {} if teacher.meta is None else teacher.meta.as_start(name).license
            known = start.get("starting weights", "its terms are not known")
            terms.append(f"soft labels by {store.public_name(name)} ({known})")
        self._said = said
        self.license = {"labels": "; ".join(terms)}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Mix a batch's targets."""
        target = batch["target"]
        said = self._said[batch["index"].cpu()].to(target)
        mixed = torch.where(target.isfinite(), (1 - self.share) * target + self.share * said, said)
        batch["target"] = torch.where(said.isfinite(), mixed, target)


def _scores(model: AffectModel, data: FaceDataModule) -> torch.Tensor:
    """A teacher's scores, a row for each training face; NaN where it has no answer."""
    index = data.split_index("train")
    skipping: Literal["raise", "skip"] = "raise" if data.on_unreadable == "raise" else "skip"
    predicted = predict_index(model, index, Pass(on_unreadable=skipping, num_workers=data.num_workers))
    scores = torch.full((len(index), predicted.expression.shape[1]), torch.nan)
    scores[predicted.row] = predicted.expression.float().cpu()
    return scores


def _columns(name: str, taught: LabelSpace | None, wanted: LabelSpace) -> list[int]:
    """Where a teacher's scores hold the student's classes."""
    if taught is None or set(taught.names) != set(wanted.names):
        says = "no classes" if taught is None else ", ".join(taught.names)
        raise LabelError(
            f"distillation: {name} predicts {says}, the student {', '.join(wanted.names)}; a teacher needs "
            "the same classes"
        )
    return [taught.names.index(label) for label in wanted.names]
