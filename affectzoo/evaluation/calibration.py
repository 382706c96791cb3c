"""Calibrated probabilities: a class that a model gives 0.8 shall be right in 80 of 100 such faces.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: all class scores are divided by one
temperature, fitted on faces that the model was not trained on. Menon et al., "Long-Tail Learning via Logit
Adjustment", ICLR 2021: a share of the logarithm of each class's frequency is taken from its score, so that
rare classes are found more often. Both go into the expression head's weights and biases: whatever reads the
weights afterwards, torch, an exported file or other programs, computes the calibrated scores. The probability
from which on these are right often enough is kept as the weights' threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional as F

from affectzoo.datasets.ids import shared, told_apart
from affectzoo.errors import DataError, LabelError
from affectzoo.evaluation.evaluate import Pass, predict_index
from affectzoo.metrics.selective import Selective, selective, sure_enough
from affectzoo.weights import check_share
from affectzoo.zoo.importing.report import check_out
from affectzoo.zoo.loading import write_sealed

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.models.base import AffectModel

FEWEST = 100
"""Faces with a class, at least, and answered ones of these; what is fitted on fewer says little."""

BINS = 15
"""Of the expected calibration error, as in Guo et al."""

RELIABLE = 0.95
"""The accuracy of the faces that a model is sure of, from which its threshold follows."""

LEAST, MOST = 0.05, 20.0
"""Temperatures that are tried."""


@dataclass(frozen=True)
class Calibration:
    """How a model was calibrated, and what that changed.

    Attributes:
        temperature: By which the class scores are divided.
        balance: The share of the classes' frequencies that is out of the scores now.
        prior: Each class's share of the faces, in the order of the scores.
        faces: How many there were.
        ece: Expected calibration error, 0 to 1, before and after, the latter with temperatures that were each
            fitted on the other half of the faces; both without ``balance``.
        accuracy: Before and after.
        mean_diagonal: Mean of the classes' recalls, before and after; of classes that have faces.
        sure: The threshold from which on ``RELIABLE`` of the answered faces are right, with what it leaves of
            these faces; ``None`` where no threshold does, or leaves less than ``FEWEST``.
    """

    temperature: float
    balance: float
    prior: tuple[float, ...]
    faces: int
    ece: tuple[float, float]
    accuracy: tuple[float, float]
    mean_diagonal: tuple[float, float]
    sure: Selective | None

    @property
    def at_an_end(self) -> bool:
        """Whether a temperature that is not tried might fit better."""
        return not 1.01 * LEAST < self.temperature < MOST / 1.01

    def told(self, data: str) -> str:
        """The calibration in a line, for the weights' notes."""
        balance = f", {self.balance:g} of the classes' frequencies taken out" if self.balance else ""
        before, after = self.ece
        sure = ""
        if self.sure is not None:
            sure = (
                f"; threshold {self.sure.threshold:g}: {self.sure.answered:.0%} of these faces are answered, "
                f"{self.sure.accuracy:.1%} of them rightly"
            )
        return (
            f"temperature {self.temperature:.4g}, fitted on {self.faces:,} faces of {data}{balance}; "
            f"expected calibration error {before:.4f} before, {after:.4f} after (each half by the other's "
            f"temperature){sure}"
        )


def calibrate(
    model: AffectModel, index: FaceIndex, how: Pass = Pass(), *, balance: float | None = None
) -> Calibration:
    """Fit a model's temperature and class frequencies on faces, and put them into its expression head.

    The temperature is fitted on scores that have the frequencies in them: those that an earlier calibration
    took out are put back before. The classes that are found stay the same where ``balance`` is and was 0.

    Args:
        model: A trained one with classes, in any mode, which it keeps; its head's values and its metadata
            change.
        index: Faces that it was not trained on, such as a validation part.
        how: How they go through it.
        balance: The share of the classes' frequencies that is out of the scores afterwards, 0 to 1. With 1
            each class counts alike, whatever its frequency. ``None`` keeps the share that an earlier
            calibration took out, or 0.

    Raises:
        OptionError: ``balance`` is out of range.
        LabelError: The model predicts no classes, or the faces have other ones.
        DataError: Less than 100 faces have a class, none has a certain one of the model's, or the model was
            trained on some of them.
    """
    meta = model.describe()
    balance = meta.balance if balance is None else check_share("balance", balance)
    if model.labels is None:
        raise LabelError(f"{model.arch} for {model.task_name} predicts no classes, which calibration is for")
    index = index.conform(model.labels).with_landmarks(model.landmarks)
    seen = shared(meta.training.train_sketch or "", told_apart(index))
    if seen:
        raise DataError(
            f"{len(seen):,} or more of the faces were trained on, such as {seen[0]}: calibrate on others, "
            "such as the validation part"
        )
    predicted = predict_index(model, index, how)
    known = predicted.label >= 0
    scores, labels = predicted.expression[known].double(), predicted.label[known]
    if len(labels) < FEWEST:
        raise DataError(f"{len(labels):,} faces have a class; calibration needs {FEWEST} or more")
    found = torch.bincount(labels, minlength=len(model.labels))
    absent = [name for name, count in zip(model.labels.names, found, strict=True) if not count]
    if absent:
        raise DataError(
            f"none of the {len(labels):,} faces has the class {', '.join(absent)}: how frequent it is cannot "
            "be told; calibrate on faces of all classes of the model"
        )
    counts = found.double() + 1
    prior = counts / counts.sum()
    taken = meta.balance * torch.tensor(meta.prior or [1.0] * len(prior), dtype=prior.dtype).log()
    given, scores = scores, scores + taken
    temperature = _temperature(scores, labels)
    # Frames of one clip are alike: clips are halved as wholes.
    numbers = torch.where(predicted.clip >= 0, predicted.clip, torch.arange(len(known)))[known]
    even = numbers % 2 == 0
    crossed = torch.empty_like(scores)
    for half in (even, ~even):
        fitted = _temperature(scores[~half], labels[~half]) if half.any() and not half.all() else temperature
        crossed[half] = scores[half] / fitted
    adjusted = scores / temperature - balance * prior.log()
    with torch.no_grad():
        head = cast(nn.Linear, model.heads["expression"])
        head.weight /= temperature
        shift = taken / temperature - balance * prior.log()
        head.bias.copy_(head.bias / temperature + shift.to(head.bias))
    sure = sure_enough(selective(adjusted.softmax(dim=1), labels), RELIABLE, FEWEST / len(labels))
    threshold = 0.0 if sure is None else sure.threshold
    model.meta = replace(meta, prior=tuple(prior.tolist()), balance=balance, threshold=threshold)
    return Calibration(
        temperature,
        balance,
        tuple(prior.tolist()),
        len(labels),
        (_ece(scores, labels), _ece(crossed, labels)),
        (_accuracy(given, labels), _accuracy(adjusted, labels)),
        (_mean_diagonal(given, labels), _mean_diagonal(adjusted, labels)),
        sure,
    )


def write_calibrated(model: AffectModel, calibration: Calibration, data: str, out: str | Path) -> Path:
    """Write a calibrated model with all that its weights said of themselves, but for their results.

    Args:
        model: As ``calibrate`` left it.
        calibration: What that returned.
        data: What the faces are called, for the notes.
        out: ``*.safetensors``.

    Raises:
        WeightsError: ``out`` has another ending, or is there and no weights file.
    """
    out = check_out(out)
    meta = model.describe()
    notes = {**meta.training.notes, "calibration": calibration.told(data)}
    meta = replace(meta, metrics=(), training=replace(meta.training, notes=notes))
    write_sealed(out, model.network_state(), meta)
    return out


def _temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature of the least negative log-likelihood, ``LEAST`` to ``MOST``."""

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(scores / math.exp(log_temperature), labels))

    found = minimize_scalar(loss, bounds=(math.log(LEAST), math.log(MOST)), method="bounded")
    return math.exp(found.x)


def _ece(scores: torch.Tensor, labels: torch.Tensor) -> float:
    from torchmetrics.functional.classification import multiclass_calibration_error

    shares = scores.softmax(dim=1)
    return float(multiclass_calibration_error(shares, labels, shares.shape[1], n_bins=BINS))


def _accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    return float((scores.argmax(dim=1) == labels).double().mean())


def _mean_diagonal(scores: torch.Tensor, labels: torch.Tensor) -> float:
    right = (scores.argmax(dim=1) == labels).double()
    counts = torch.bincount(labels)
    recalls = torch.bincount(labels, right) / counts
    return float(recalls[counts > 0].mean())
