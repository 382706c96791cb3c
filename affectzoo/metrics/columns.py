"""The columns of tables of predictions: one set for every command that writes or reads some.

``label``, ``valence``, ``arousal`` and ``p_<class>`` (probabilities) or ``s_<class>`` (decision values) are
predictions. The ground truth of the same is ``true_label``, ``true_valence``, ``true_arousal``. ``nme`` is
the error of predicted landmarks. Where a row is from stands in ``file`` and ``frame``, in ``x0``, ``y0``,
``x1``, ``y1`` and ``score`` for a face that a detector found, and in ``id``, ``fold``, ``subject`` and
``clip`` for one of a data set.
"""

from __future__ import annotations

from collections.abc import Iterable

LABEL = "label"
TRUE = "true_"
ERROR = "nme"
PROBABILITY, DECISION = "p_", "s_"
BOX = ("x0", "y0", "x1", "y1")
TEXTS = ("id", "file", "subject", "clip", LABEL, f"{TRUE}{LABEL}")
"""Columns that are never numbers."""
_OLDER = {"path": "file"}
"""What columns were called before; so were predictions with ``predicted_`` before plain ground truth."""
_PREDICTED = "predicted_"


def score_columns(columns: Iterable[str]) -> dict[str, str]:
    """Find the columns of class scores.

    Returns:
        Each column by its class, in order.
    """
    return {name[2:]: name for name in columns if name.startswith((PROBABILITY, DECISION))}


def renamed(columns: Iterable[str]) -> dict[str, str]:
    """Map the names of older tables to those of today.

    Args:
        columns: Of a table; one that calls predictions ``predicted_label`` has the ground truth in ``label``.

    Returns:
        Today's name by the older one, for those that differ.
    """
    names = list(columns)
    told = {name: name.removeprefix(_PREDICTED) for name in names if name.startswith(_PREDICTED)}
    truth = {name: f"{TRUE}{name}" for name in told.values() if name in names}
    return {old: new for old, new in _OLDER.items() if old in names and new not in names} | told | truth
