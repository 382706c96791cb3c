"""Metrics of classes as AffectNet reports them.

Mollahosseini, Hasani, Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in
the Wild", IEEE TAC 10(1), 2019, section 4.2, Tables 7 to 9: "Except for the accuracy, all the metrics are
calculated in a binary-class manner", one class against the rest, and averaged over the classes.

Three steps: ``confusion`` counts faces, true class by predicted class; the formulas (``accuracy``, ``f1``,
``cohens_kappa``, ``krippendorffs_alpha``, ``percent``) take such counts, in any leading
shape; ``class_metrics`` gives everything at once, with the areas under the curves. Faces may count any number
of times (``counts``, whole numbers), in many ways at once: so ``skew`` and ``bootstrap`` draw them. Values
are in double precision; NaN where undefined. A class that no face has is excluded of every average; a face
predicted as that class counts as wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

from affectzoo.errors import DataError, LabelError
from affectzoo.metrics.arrays import Array, as_tensor


class Areas(NamedTuple):
    """Areas under the curves of each class against the rest, shape (C,), or (T, C) with ``counts``.

    Attributes:
        roc: Under the receiver operating characteristic: the chance that a face of the class has a higher
            score than another face, ties by half.
        precision_recall: Average precision, ``sum (R_i - R_(i-1)) P_i`` over the distinct scores.
    """

    roc: torch.Tensor
    precision_recall: torch.Tensor


class ClassMetrics(NamedTuple):
    """Everything at once; with ``counts``, shapes have T in front.

    Attributes:
        confusion: Faces, true class by predicted class, shape (C, C).
        accuracy: Shape ().
        kappa: Cohen's kappa of all classes together, shape ().
        alpha: Krippendorff's alpha of all classes together, shape ().
        recall: Of each class, shape (C,), like all that follow; NaN for a class that no face has.
        f1: F1 score of each class.
        f1_top2: The same where the two highest scores may hold the true class.
        class_kappa: Cohen's kappa of each class against the rest.
        class_alpha: Krippendorff's alpha of each class against the rest.
        auc: Area under the receiver operating characteristic of each class against the rest.
        auc_pr: Average precision of each class against the rest.
    """

    confusion: torch.Tensor
    accuracy: torch.Tensor
    kappa: torch.Tensor
    alpha: torch.Tensor
    recall: torch.Tensor
    f1: torch.Tensor
    f1_top2: torch.Tensor
    class_kappa: torch.Tensor
    class_alpha: torch.Tensor
    auc: torch.Tensor
    auc_pr: torch.Tensor

    def averages(self) -> dict[str, torch.Tensor]:
        """One number per metric: AffectNet's Table 9, and the mean diagonal of RAF-DB.

        Returns:
            ``accuracy``; ``mean_diagonal``, ``f1``, ``f1_top2``, ``kappa``, ``alpha``, ``auc``, ``auc_pr``:
            means over the classes that occur; ``weighted_f1``: the mean of F1 weighted by the classes' faces;
            ``multiclass_kappa`` and ``multiclass_alpha``: of all classes
            together. Each of shape (), or (T,).
        """
        means = {
            "mean_diagonal": self.recall,
            "f1": self.f1,
            "f1_top2": self.f1_top2,
            "kappa": self.class_kappa,
            "alpha": self.class_alpha,
            "auc": self.auc,
            "auc_pr": self.auc_pr,
        }
        return (
            {"accuracy": self.accuracy}
            | {name: values.nanmean(dim=-1) for name, values in means.items()}
            | {"weighted_f1": weighted(self.f1, self.confusion)}
            | {"multiclass_kappa": self.kappa, "multiclass_alpha": self.alpha}
        )


def labelled(
    scores: Array, labels: Array, counts: Array | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check, and exclude faces without a label.

    Args:
        scores: Class scores, shape (N, C).
        labels: Class indices, -1 for none, shape (N,).
        counts: How often each face counts, shape (N, T); by default once.

    Returns:
        Scores (float64), labels, and counts (float32 where exact, (N, 1) by default) of the labeled faces.

    Raises:
        DataError: The shapes do not fit, or a score is NaN.
        LabelError: A label is not -1 and no class.
    """
    s, y = as_tensor(scores), as_tensor(labels)
    w = s.new_ones(len(s), 1, dtype=torch.float32) if counts is None else as_tensor(counts)
    if s.ndim != 2 or y.shape != s.shape[:1] or w.ndim != 2 or len(w) != len(s):
        raise DataError(
            f"metrics: scores {tuple(s.shape)}, labels {tuple(y.shape)}, counts {tuple(w.shape)}; "
            "expected (N, C), (N,), (N, T)"
        )
    unknown = ((y < -1) | (y >= s.shape[1])).nonzero()
    if len(unknown):
        row = int(unknown[0])
        raise LabelError(f"metrics: label {y[row].item()} of face {row}; expected -1 to {s.shape[1] - 1}")
    known = y >= 0
    s, y, w = s[known].double(), y[known].long(), w[known]
    wrong = s.isnan().any(dim=1).nonzero()
    if len(wrong):
        row = int(known.nonzero()[wrong[0]])
        raise DataError(f"metrics: face {row} has a NaN among its scores; {len(wrong)} of {len(s)} have")
    exact = len(w) == 0 or w.sum(dim=0).max() < 2**24  # float32 holds all whole numbers up to there
    return s, y, w.float() if exact else w.double()


def top_k(scores: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    """The class that each face counts as if k guesses are allowed.

    The true class where it is among the k highest scores, else the highest: AffectNet does not define its
    top-2 F1, and this is how torchmetrics' ``top_k`` reads it. Counting a face as both its guesses is ruled
    out: on equally frequent classes the F1 scores could not all exceed 2/3, and Table 7 has 0.77 and more for
    every class. Of equal scores the first class is the higher, as for ``argmax``.

    Args:
        scores: Shape (N, C).
        labels: Shape (N,), each a class.
        k: Guesses.

    Returns:
        Class indices, shape (N,).
    """
    own = scores.gather(1, labels[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    above = ((scores > own) | ((scores == own) & earlier)).sum(dim=1)
    return torch.where(above < k, labels, scores.argmax(dim=1))


def confusion(scores: Array, labels: Array, counts: Array | None = None, *, k: int = 1) -> torch.Tensor:
    """Faces, true class by predicted class.

    Args:
        scores: Class scores, shape (N, C).
        labels: Class indices, -1 for none, shape (N,).
        counts: How often each face counts, shape (N, T) for T countings; by default once.
        k: Guesses, see ``top_k``.

    Returns:
        Shape (C, C), or (T, C, C) with ``counts``; float64.

    Raises:
        DataError: The shapes do not fit, or a score is NaN.
        LabelError: A label is not -1 and no class.
    """
    found = _confusion(*labelled(scores, labels, counts), k)
    return found[0] if counts is None else found


def _confusion(scores: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor, k: int) -> torch.Tensor:
    classes = scores.shape[1]
    predicted = F.one_hot(top_k(scores, labels, k), classes).to(counts.dtype)
    rows = [counts[labels == c].T @ predicted[labels == c] for c in range(classes)]
    return torch.stack(rows, dim=1).double()


def percent(confusion: torch.Tensor) -> torch.Tensor:
    """A confusion matrix in % of each true class, shape (..., C, C); NaN for a class that no face has."""
    return 100 * _ratio(confusion.double(), confusion.sum(dim=-1, keepdim=True).double())


def accuracy(confusion: torch.Tensor) -> torch.Tensor:
    """Share of right predictions, shape (...); NaN without any face."""
    return _ratio(_agreed(confusion), _total(confusion))


def recalls(confusion: torch.Tensor) -> torch.Tensor:
    """Recall of each class from counts.

    Args:
        confusion: Counts, true class by predicted class, shape (..., C, C).

    Returns:
        Shape (..., C), in [0, 1]; NaN for a class that no face has.
    """
    support = confusion.sum(dim=-1)
    return torch.where(support > 0, confusion.diagonal(dim1=-2, dim2=-1) / support, torch.nan)


def f1(confusion: torch.Tensor) -> torch.Tensor:
    """F1 score of each class, shape (..., C); NaN for a class that no face has."""
    true, predicted = _margins(confusion)
    right = confusion.double().diagonal(dim1=-2, dim2=-1)
    return torch.where(true > 0, 2 * right / (true + predicted), torch.nan)


def weighted(values: torch.Tensor, confusion: torch.Tensor) -> torch.Tensor:
    """Mean of the classes' values weighted by their faces, shape (...); NaN without any face.

    Of F1 scores what scikit-learn calls ``average="weighted"``; papers that say "F1" sometimes mean it.

    Args:
        values: Shape (..., C).
        confusion: Counts, shape (..., C, C).
    """
    true, _ = _margins(confusion)
    return _ratio((true * values.nan_to_num()).sum(dim=-1), true.sum(dim=-1))


def one_vs_rest(confusion: torch.Tensor) -> torch.Tensor:
    """The two-class confusion of each class against the rest.

    Args:
        confusion: Counts, shape (..., C, C).

    Returns:
        Shape (..., C, 2, 2); index 1 is the class, 0 the rest.
    """
    true, predicted = _margins(confusion)
    right = confusion.double().diagonal(dim1=-2, dim2=-1)
    missed, false = true - right, predicted - right
    rest = _total(confusion)[..., None] - right - missed - false
    return torch.stack([torch.stack([rest, false], -1), torch.stack([missed, right], -1)], -2)


def cohens_kappa(confusion: torch.Tensor) -> torch.Tensor:
    """Cohen's kappa of predictions and truth, shape (...).

    ``(p_o - p_e) / (1 - p_e)``: 1 for full agreement, 0 for what chance gives. NaN where both sides are one
    and the same class throughout.
    """
    true, predicted = _margins(confusion)
    chance, total = (true * predicted).sum(dim=-1), _total(confusion)
    return _ratio(total * _agreed(confusion) - chance, total**2 - chance)


def krippendorffs_alpha(confusion: torch.Tensor) -> torch.Tensor:
    """Krippendorff's alpha for nominal data and two raters, predictions and truth, shape (...).

    ``1 - D_o / D_e`` from the coincidence matrix of the 2 N values. Unlike kappa it takes chance from both
    raters' pooled frequencies. NaN where all values are one class.
    """
    true, predicted = _margins(confusion)
    total = _total(confusion)
    values = 2 * total
    observed = values - 2 * _agreed(confusion)
    expected = values**2 - ((true + predicted) ** 2).sum(dim=-1)
    return 1 - _ratio((values - 1) * observed, expected)


def _margins(confusion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return confusion.sum(dim=-1).double(), confusion.sum(dim=-2).double()


def _agreed(confusion: torch.Tensor) -> torch.Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1).sum(dim=-1).double()


def _total(confusion: torch.Tensor) -> torch.Tensor:
    return confusion.sum(dim=(-2, -1)).double()


def _ratio(value: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return torch.where(by > 0, value / by, torch.nan)


def areas(scores: Array, labels: Array, counts: Array | None = None) -> Areas:
    """Areas under the ROC and the precision-recall curve of each class against the rest.

    A class' scores are compared over the faces as they are given. A softmax changes that order: give
    probabilities for a network, as AffectNet does, and decision values for its SVM. The precision-recall area
    is the average precision (as scikit-learn's): the paper names no rule, and joining the points by straight
    lines, the trapezoidal rule, overstates the area.

    Args:
        scores: Shape (N, C).
        labels: Class indices, -1 for none, shape (N,).
        counts: How often each face counts, shape (N, T) for T countings; by default once.

    Returns:
        NaN where a class has no face, and for ROC also where it has all.

    Raises:
        DataError: The shapes do not fit, or a score is NaN.
        LabelError: A label is not -1 and no class.
    """
    found = _areas(*labelled(scores, labels, counts))
    return Areas(*(values[0] for values in found)) if counts is None else found


def _areas(scores: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor) -> Areas:
    each = [_area(scores[:, c], labels == c, counts) for c in range(scores.shape[1])]
    return Areas(*(torch.stack(values, dim=-1) for values in zip(*each, strict=True)))


def _area(scores: torch.Tensor, positive: torch.Tensor, counts: torch.Tensor) -> Areas:
    """Areas of one class for every counting, shapes (T,)."""
    order = scores.argsort(descending=True)
    own = order[positive[order]]
    # The distinct scores of the class' faces, descending: G thresholds. Only there do the curves matter, so
    # counts are summed between thresholds first, then run up.
    thresholds, sizes = scores[own].unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]
    places = (torch.searchsorted(-scores[order], -thresholds, right=tied) for tied in (False, True))
    faces = _sums(counts, order, F.pad(torch.stack([*places], dim=1).flatten(), (1, 0))).cumsum(dim=0)
    above, upto = faces[:-1:2], faces[1::2]  # faces with a higher score; with at least the threshold
    hits = _sums(counts, own, sizes.cumsum(dim=0) - sizes)
    hits_upto, total = hits.cumsum(dim=0), hits.sum(dim=0)
    others_above_or_tied = above + upto - 2 * hits_upto + hits  # both added: ties count half
    beaten = (hits * others_above_or_tied).sum(dim=0) / 2
    precision = (hits * hits_upto / upto.clamp_min(1)).sum(dim=0)
    return Areas(1 - _ratio(beaten, total * (faces[-1] - total)), _ratio(precision, total))


def _sums(counts: torch.Tensor, rows: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Sums of ``counts[rows]`` from each start to the next, float64; an embedding bag, which is fast."""
    return F.embedding_bag(rows, counts, starts, mode="sum").double()


def class_metrics(scores: Array, labels: Array, counts: Array | None = None) -> ClassMetrics:
    """Every metric of this module.

    Args:
        scores: Shape (N, C); what the areas need is said at ``areas``.
        labels: Class indices, -1 for none, shape (N,).
        counts: How often each face counts, shape (N, T) for T countings; by default once.

    Raises:
        DataError: The shapes do not fit, or a score is NaN.
        LabelError: A label is not -1 and no class.
    """
    s, y, w = labelled(scores, labels, counts)
    first, second = _confusion(s, y, w, k=1), _confusion(s, y, w, k=2)
    occurs, binary, area = first.sum(dim=-1) > 0, one_vs_rest(first), _areas(s, y, w)
    found = ClassMetrics(
        confusion=first,
        accuracy=accuracy(first),
        kappa=cohens_kappa(first),
        alpha=krippendorffs_alpha(first),
        recall=recalls(first.double()),
        f1=f1(first),
        f1_top2=f1(second),
        class_kappa=torch.where(occurs, cohens_kappa(binary), torch.nan),
        class_alpha=torch.where(occurs, krippendorffs_alpha(binary), torch.nan),
        auc=area.roc,
        auc_pr=area.precision_recall,
    )
    return ClassMetrics(*(values[0] for values in found)) if counts is None else found
