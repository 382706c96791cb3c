"""What a model predicted for each face of an evaluation: gathered over batches and processes, once each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

from affectzoo.processes import from_all_processes
from affectzoo.sample import AffectOutput, Batch, ClipRule, GroundTruth


class Predicted(NamedTuple):
    """Predictions beside the truth, one entry per face or, from ``by_clip``, per clip.

    Attributes:
        row: Of the index table, ascending; or the clip's number. Shape (N,).
        clip: The clip's number, -1 for none. Shape (N,).
        label: Class index, -1 for none. Shape (N,).
        target: Annotated valence and arousal, NaN for none. Shape (N, 2).
        expression: Class scores, shape (N, classes).
        va: What the model predicts of valence and arousal, shape (N, 0 to 2).
        points: What it predicts of landmarks, as ``AffectOutput`` has them, shape (N, 0 or 136); NaN for
            clips.
        true_points: The same of the annotation, NaN for none.
    """

    row: torch.Tensor
    clip: torch.Tensor
    label: torch.Tensor
    target: torch.Tensor
    expression: torch.Tensor
    va: torch.Tensor
    points: torch.Tensor
    true_points: torch.Tensor

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
            *(points.new_full((len(numbers), points.shape[1]), torch.nan) for points in self[-2:]),
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


class Predictions:
    """Gathers outputs by row of an index table and joins them with the ground truth at the end.

    Scoring what was gathered, rather than batches as they come, counts each face once: with overlapping
    windows, where a frame has the mean of its outputs, with padding, and over several processes.
    """

    def __init__(self, classes: int, dimensions: int, points: int = 0) -> None:
        """Start empty.

        Args:
            classes: Number of class scores, 0 for a model without.
            dimensions: Number of valence/arousal outputs, 0 to 2.
            points: Number of landmarks' coordinates, 0 or 136.
        """
        self._widths = (classes, dimensions, points, points)
        self._index, self._mask = _Block(torch.int64), _Block(torch.bool)
        self._outputs = _Block(torch.float64, sum(self._widths))

    def update(self, output: AffectOutput, batch: Batch) -> None:
        """Take in a batch with one leading dimension; of it ``index`` and ``mask`` are read.

        Args:
            output: Class scores, shape (B, classes), valence and arousal, shape (B, dimensions), and
                landmarks, shape (B, points).
            batch: Rows where the mask is False do not count: images that could not be read, and frames that
                only fill a window up. Where landmarks are predicted, ``points`` has the annotated ones: where
                they are in a face depends on how it was cut.
        """
        points = None if output.points is None else batch["points"]
        heads = [head for head in (output.expression, output.va, output.points, points) if head is not None]
        self._index.add(batch["index"])
        self._mask.add(batch["mask"])
        self._outputs.add(torch.cat([head.detach() for head in heads], dim=1))

    def compute(self, truth: GroundTruth, *, everywhere: bool = False) -> Predicted:
        """Join all predictions so far with the ground truth, on the CPU, in order of rows.

        Args:
            truth: The ground truth of the index table.
            everywhere: Also gather what the other processes have; all of them must then call this.
        """
        mine = self._gathered()
        parts = from_all_processes(mine) if everywhere else [mine]
        rows, outputs = (torch.cat(columns) for columns in zip(*parts, strict=True))
        row, of = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        sums = outputs.new_zeros(len(row), outputs.shape[1]).index_add_(0, of, outputs)
        means = sums / of.bincount(minlength=len(row))[:, None]
        return Predicted(
            row, truth.clip[row], truth.label[row], truth.va[row].double(), *means.split(self._widths, dim=1)
        )

    def _gathered(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows, shape (N,), and outputs, shape (N, columns), of this process, on the CPU."""
        index, mask, outputs = (part.rows.cpu() for part in (self._index, self._mask, self._outputs))
        return index[mask], outputs.double()[mask]  # the CPU first: other devices may lack float64


class _Block:
    """Rows of batches, one after another in one tensor that doubles.

    Small tensors kept one by one would lie between the images of batches and hold their memory: the C library
    uses again, or gives back, whole stretches alone. An evaluation would keep the memory of all its images.
    """

    def __init__(self, dtype: torch.dtype, *shape: int) -> None:
        """Start empty, for rows of a shape; the first ones say on which device and of which type."""
        self._held = torch.empty(0, *shape, dtype=dtype, device="cpu")
        self._count = 0

    @property
    def rows(self) -> torch.Tensor:
        """All rows so far."""
        return self._held[: self._count]

    def add(self, some: torch.Tensor) -> None:
        """Append rows."""
        count = self._count + len(some)
        if count > len(self._held):
            held = some.new_empty(max(4096, 2 * count), *some.shape[1:])
            held[: self._count] = self.rows
            self._held = held
        self._held[self._count : count] = some
        self._count = count
