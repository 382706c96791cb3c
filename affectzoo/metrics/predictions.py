"""What a model predicted for each face of an evaluation: gathered over batches and processes, once each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from affectzoo.sample import AffectOutput, Batch, ClipRule


class Predicted(NamedTuple):
    """Predictions beside the truth, one entry per face or, from ``by_clip``, per clip.

    Attributes:
        row: Of the index table, ascending; or the clip's number. Shape (N,).
        clip: The clip's number, -1 for none. Shape (N,).
        label: Class index, -1 for none. Shape (N,).
        target: Annotated valence and arousal, NaN for none. Shape (N, 2).
        expression: Class scores, shape (N, classes).
        va: What the model predicts of valence and arousal, shape (N, 0 to 2).
    """

    row: torch.Tensor
    clip: torch.Tensor
    label: torch.Tensor
    target: torch.Tensor
    expression: torch.Tensor
    va: torch.Tensor

    def by_clip(self, rule: ClipRule = "probabilities") -> Predicted:
        """One entry per clip.

        A clip's valence and arousal are the means over its annotated frames, predictions and ground truth
        alike. A clip's class is the one of its frames that have one; a clip whose frames have different
        classes has none.

        Args:
            rule: How its frames' class scores are joined.
        """
        inside = self.clip >= 0
        numbers, of = self.clip[inside].unique(return_inverse=True)  # type: ignore[no-untyped-call]
        known = self.target[inside].isfinite()
        share = known.any(dim=1) if known.shape[1] else known.new_zeros(len(of))
        label = self.label[inside]
        first = torch.full_like(numbers, -1).scatter_reduce_(0, of, label, "amax")
        other = torch.zeros_like(numbers).scatter_reduce_(
            0, of, ((label >= 0) & (label != first[of])).long(), "amax"
        )
        return Predicted(
            numbers,
            numbers,
            torch.where(other > 0, -1, first),
            _means(self.target[inside], of, known, len(numbers)),
            self._clip_scores(self.expression[inside], of, len(numbers), rule),
            _means(self.va[inside], of, share[:, None], len(numbers)),
        )

    @staticmethod
    def _clip_scores(scores: torch.Tensor, of: torch.Tensor, clips: int, rule: ClipRule) -> torch.Tensor:
        if scores.shape[1] == 0:
            return scores.new_zeros(clips, 0)
        every = torch.ones_like(of, dtype=torch.bool)[:, None]
        if rule == "logits":
            return _means(scores, of, every, clips)
        probabilities = _means(scores.softmax(dim=1), of, every, clips)
        if rule == "vote":
            won = F.one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores.dtype)
            probabilities = _means(won, of, every, clips) + 1e-6 * probabilities
        return probabilities.log()  # scores again: softmax gives the shares back


def _means(values: torch.Tensor, of: torch.Tensor, counts: torch.Tensor, groups: int) -> torch.Tensor:
    """Column means by group over the entries that count; NaN for a group without any."""
    weights = counts.expand_as(values).to(values.dtype)
    sums, total = values.new_zeros(2, groups, values.shape[1])
    sums.index_add_(0, of, torch.where(weights > 0, values, 0.0))
    total.index_add_(0, of, weights)
    return torch.where(total > 0, sums / total, torch.nan)


class Predictions(Metric):
    """Gathers predictions; a frame seen in several windows has the mean of its outputs.

    Scoring what was gathered, rather than batches as they come, counts each face once: with overlapping
    windows, with padding, and where processes repeat samples to be evenly busy.
    """

    full_state_update = False
    rows: list[torch.Tensor]

    def __init__(self, classes: int, dimensions: int) -> None:
        """Start empty.

        Args:
            classes: Number of class scores, 0 for a model without.
            dimensions: Number of valence/arousal outputs, 0 to 2.
        """
        super().__init__()
        self.classes = classes
        self.dimensions = dimensions
        self.add_state("rows", [], dist_reduce_fx="cat")

    def update(self, output: AffectOutput, batch: Batch) -> None:
        """Take in a batch with one leading dimension; frames that only fill a window up do not count."""
        size = len(batch["index"])
        empty = batch["va"].new_zeros(size, 0)
        columns = (
            batch["index"],
            batch["clip"] if "clip" in batch else torch.full_like(batch["index"], -1),
            batch["label"],
            batch["va"],
            empty if output.expression is None else output.expression,
            empty if output.va is None else output.va,
        )
        rows = torch.cat([column.detach().double().reshape(size, -1) for column in columns], dim=1)
        self.rows.append(rows[batch["mask"]] if "mask" in batch else rows)

    def compute(self) -> Predicted:
        """All predictions so far, on the CPU, in order of rows."""
        rows = dim_zero_cat(self.rows).cpu()
        row, of = rows[:, 0].long().unique(return_inverse=True)  # type: ignore[no-untyped-call]
        # Of repeated rows all columns but the outputs are equal: their mean is themselves.
        sums = rows.new_zeros(len(row), rows.shape[1]).index_add_(0, of, rows)
        means = sums / of.bincount(minlength=len(row))[:, None]
        facts, target, scores, va = means.split([3, 2, self.classes, self.dimensions], dim=1)
        _, clip, label = facts.round().long().unbind(dim=1)
        return Predicted(row, clip, label, target, scores, va)
