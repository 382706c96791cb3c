"""Person-independent folds, computed from the files alone and the same wherever they are computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from affectzoo.errors import DataError


def assign_folds(frames_per_subject: Mapping[str, int], folds: int) -> dict[str, int]:
    """Give each subject a fold so that the folds hold about equally many frames.

    Greedy: the subject with most frames first, equal ones by name, each into the fold with fewest
    frames so far, equal ones by number. The mapping's order has no influence.

    Args:
        frames_per_subject: Number of frames of each subject.
        folds: Number of folds, at least two.

    Returns:
        Each subject's fold, 0 to ``folds - 1``, in order of subjects' names.

    Raises:
        DataError: Fewer than two folds, or fewer subjects than folds.
    """
    if not 2 <= folds <= len(frames_per_subject):
        raise DataError(f"{len(frames_per_subject)} subjects cannot be split into {folds} folds (at least 2)")
    sizes = [0] * folds
    assignment = {}
    for subject, frames in sorted(frames_per_subject.items(), key=lambda item: (-item[1], item[0])):
        fold = sizes.index(min(sizes))
        assignment[subject] = fold
        sizes[fold] += frames
    return dict(sorted(assignment.items()))


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


def fold_splits(dataset: str, assignment: Mapping[str, int], fold: int) -> dict[str, str]:
    """``test`` for the subjects of one fold, ``train`` for the others.

    Raises:
        DataError: There is no such fold.
    """
    last = max(assignment.values())
    if not 0 <= fold <= last:
        raise DataError(f"{dataset}: fold is {fold}, expected 0 to {last}")
    return {subject: "test" if number == fold else "train" for subject, number in assignment.items()}


def folds_hash(assignment: Mapping[str, int]) -> str:
    """SHA-256 of an assignment, whatever its order: equal hashes mean equal folds."""
    return hashlib.sha256(json.dumps(sorted(assignment.items())).encode()).hexdigest()
