"""The metrics by name: what each says, in which range it lies, and how people call it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

DIMENSIONS = ("valence", "arousal")
OWN_SCALE = "own_scale_"
"""Begins the names of errors on the data set's own scale."""


class MetricName(NamedTuple):
    """What is known of a metric.

    Attributes:
        explanation: One phrase for readers.
        low: Its least value, for valence and arousal in [-1, 1].
        high: Its greatest value.
        needs_scores: Whether the predicted class alone is not enough.
        lower_is_better: Whether it is an error.
    """

    explanation: str
    low: float = 0.0
    high: float = 1.0
    needs_scores: bool = False
    lower_is_better: bool = False


CLASS_METRICS: Mapping[str, MetricName] = MappingProxyType(
    {
        "accuracy": MetricName("share of faces whose class is right"),
        "mean_diagonal": MetricName(
            "mean of the recalls of the classes, the diagonal of RAF-DB's confusion matrix"
        ),
        "f1": MetricName("mean of the F1 scores of the classes"),
        "weighted_f1": MetricName("mean of the F1 scores of the classes, weighted by their faces"),
        "f1_top2": MetricName(
            "mean of the F1 scores of the classes, where either of the two highest scores may be right",
            needs_scores=True,
        ),
        "kappa": MetricName("mean of Cohen's kappa of each class against the rest", -1.0),
        "alpha": MetricName("mean of Krippendorff's alpha of each class against the rest", -1.0),
        "auc": MetricName("mean area under the ROC curve of each class against the rest", needs_scores=True),
        "auc_pr": MetricName(
            "mean of the average precision of each class against the rest", needs_scores=True
        ),
        "multiclass_kappa": MetricName("Cohen's kappa of all classes together", -1.0),
        "multiclass_alpha": MetricName("Krippendorff's alpha of all classes together", -1.0),
    }
)

VALUE_METRICS: Mapping[str, MetricName] = MappingProxyType(
    {
        "ccc": MetricName("concordance correlation coefficient; without a dimension, the mean of both", -1.0),
        "pcc": MetricName("Pearson's correlation", -1.0),
        "icc": MetricName("intraclass correlation", -1.0),
        "rmse": MetricName("root of the mean squared error; lower is better", 0.0, 2.0, lower_is_better=True),
        "mse": MetricName("mean squared error; lower is better", 0.0, 4.0, lower_is_better=True),
        "sagr": MetricName("share of values with the right sign"),
    }
)

LANDMARK_METRICS: Mapping[str, MetricName] = MappingProxyType(
    {
        "nme": MetricName(
            "mean distance of landmarks over that of the outer eye corners; lower is better",
            lower_is_better=True,
        )
    }
)

METRICS: Mapping[str, MetricName] = MappingProxyType({**CLASS_METRICS, **VALUE_METRICS, **LANDMARK_METRICS})

COMPARED = (*CLASS_METRICS, "ccc", *(f"{name}_{one}" for name in VALUE_METRICS for one in DIMENSIONS))
"""Every figure's name by which systems are compared: not errors on other scales, nor those of landmarks."""

ORDER = (
    *CLASS_METRICS,
    "ccc",
    *(
        f"{scale}{name}_{one}"
        for name, known in VALUE_METRICS.items()
        for scale in (("", OWN_SCALE) if known.lower_is_better else ("",))
        for one in DIMENSIONS
    ),
    *LANDMARK_METRICS,
)
"""The order of columns."""

_UPPER = {name: name.upper() for name in ("f1", "auc", "ccc", "pcc", "icc", "rmse", "mse", "sagr", "nme")} | {
    "pr": "PR",
    "top2": "top 2",
}


def title(metric: str) -> str:
    """Write a metric's name for people: ``CCC valence`` for ``ccc_valence``."""
    if metric == "mean_diagonal":
        return "balanced accuracy (mean diagonal)"
    return " ".join(_UPPER.get(word, word) for word in metric.split("_"))


def family(metric: str) -> str:
    """Strip a metric's name of dimension and scale: a key of ``METRICS``."""
    return metric.removeprefix(OWN_SCALE).removesuffix("_valence").removesuffix("_arousal")
