"""Clips cut into windows of frames, for models that read sequences."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from affectzoo.datamodules.dataset import FaceDataset, SampleDataset
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError, OptionError
from affectzoo.sample import Batch


def windows(index: FaceIndex, length: int, stride: int) -> list[list[int]]:
    """Rows of each window, frames in order; a window never leaves its clip.

    Every frame is in some window: the last one of a clip may be shorter than ``length``. With ``stride``
    equal to ``length`` each frame is in exactly one.

    Args:
        index: Faces with ``clip`` and ``frame``.
        length: Frames per window, at least 1.
        stride: Frames from one window's start to the next's, 1 to ``length``.

    Raises:
        OptionError: Length or stride are out of range.
        DataError: The data set has no clips.
    """
    if not 1 <= stride <= length:
        raise OptionError(f"window {length} with stride {stride}: expected 1 <= stride <= window")
    if index.table["clip"].isna().any() or index.table["frame"].isna().any():
        raise DataError(f"{index.dataset} has faces that belong to no clip; sequence models need clips")
    found = []
    for _, clip in index.table.groupby("clip", sort=True):
        rows = clip.sort_values("frame").index.to_list()
        starts = range(0, max(1, len(rows) - length + stride), stride)
        found += [rows[start : start + length] for start in starts]
    return found


class ClipDataset(SampleDataset):
    """Windows of frames: each sample is as of ``FaceDataset`` with a leading dimension of ``length``.

    A frame that cannot be read is excluded and its neighbors move up. Shorter windows repeat their last
    frame; the repeated ones have no label (-1, NaN) and ``mask`` is False there, so that neither loss nor
    metrics count them.
    """

    def __init__(self, faces: FaceDataset, length: int, stride: int) -> None:
        """Cut windows.

        Args:
            faces: The frames.
            length: Frames per window.
            stride: Frames from one window's start to the next's.
        """
        super().__init__()
        self.faces = faces
        self.length = length
        self.windows = windows(faces.index, length, stride)
        self.index = faces.index
        self.truth = faces.truth
        self.on_unreadable = faces.on_unreadable

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.windows)

    def mean_va(self) -> np.ndarray:
        """Mean valence and arousal of each window's annotated frames, shape (N, 2), NaN where unknown."""
        faces = self.faces.mean_va()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows without annotation are NaN on purpose
            return np.stack([np.nanmean(faces[rows], axis=0) for rows in self.windows])

    def sample(self, i: int, seed: int | None = None) -> Batch:
        """Make one window, all its frames augmented alike."""
        found = {row: self.faces.face(row) for row in self.windows[i]}
        frames = {row: face for row, face in found.items() if not isinstance(face, str)}
        unreadable = [face for face in found.values() if isinstance(face, str)]
        blank = self.faces.blank()
        if frames:
            images, points = self.faces.transform.clip(list(frames.values()), seed)
        else:
            images, points = blank["image"][None], None
        rows = list(frames) or self.windows[i][:1]
        shown = [*range(len(rows)), *[len(rows) - 1] * (self.length - len(rows))]
        sample = {key: values[shown] for key, values in self.faces.facts(rows, seed).items()}
        mask = torch.arange(self.length, device="cpu") < len(frames)
        for key in ("label", "target", "va"):
            sample[key][~mask] = blank[key]
        if self.faces.landmarks:
            sample["landmarks"] = (
                blank["landmarks"].repeat(self.length, 1, 1) if points is None else points[shown]
            )
        return sample | {"image": images[shown], "mask": mask, "unreadable": unreadable}
