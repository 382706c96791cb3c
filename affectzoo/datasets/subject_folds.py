"""Folds of whole subjects by their order, as papers on posed expressions build them."""

from __future__ import annotations

from collections.abc import Iterable

from affectzoo.errors import DataError


def step_folds(subjects: Iterable[str], folds: int) -> dict[str, int]:
    """Give each subject a fold by its place among the sorted subjects: 0, 1, ... and again from 0.

    With as many folds as subjects, each fold leaves one subject out.

    Args:
        subjects: Who is shown; repetitions do not matter.
        folds: Number of folds, at least two.

    Returns:
        Each subject's fold, 0 to ``folds - 1``, in order of subjects' names.

    Raises:
        DataError: Fewer than two folds, or fewer subjects than folds.
    """
    names = sorted(set(subjects))
    if not 2 <= folds <= len(names):
        raise DataError(f"{len(names)} subjects cannot be split into {folds} folds (at least 2)")
    return {name: place % folds for place, name in enumerate(names)}


def check_fold(dataset: str, fold: int, folds: int) -> None:
    """Refuse a test fold that does not exist.

    Raises:
        DataError: It is not in 0 to ``folds - 1``.
    """
    if not 0 <= fold < folds:
        raise DataError(f"{dataset}: fold is {fold}, expected 0 to {folds - 1}")
