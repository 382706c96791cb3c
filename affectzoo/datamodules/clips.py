"""Clips cut into windows of frames, for models that read sequences."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch.utils.data import Dataset

from affectzoo.datamodules.dataset import FaceDataset
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, DataError
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
        AffectZooError: Length or stride are out of range.
        DataError: The data set has no clips.
    """
    if not 1 <= stride <= length:
        raise AffectZooError(f"window {length} with stride {stride}: expected 1 <= stride <= window")
    if index.table["clip"].isna().any() or index.table["frame"].isna().any():
        raise DataError(f"{index.dataset} has faces that belong to no clip; sequence models need clips")
    found = []
    for _, clip in index.table.groupby("clip", sort=True):
        rows = clip.sort_values("frame").index.to_list()
        starts = range(0, max(1, len(rows) - length + stride), stride)
        found += [rows[start : start + length] for start in starts]
    return found


class ClipDataset(Dataset[Batch]):
    """Windows of frames: each item is as of ``FaceDataset`` with a leading dimension of ``length``.

    A frame that cannot be read is left out and its neighbours move up. Shorter windows repeat their last
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
        self.faces = faces
        self.length = length
        self.windows = windows(faces.index, length, stride)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def index(self) -> FaceIndex:
        """The frames' index."""
        return self.faces.index

    @property
    def transform(self) -> FaceTransform:
        """The frames' transform."""
        return self.faces.transform

    def mean_va(self) -> np.ndarray:
        """Mean valence and arousal of each window's annotated frames, shape (N, 2), NaN where unknown."""
        faces = self.faces.mean_va()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows without annotation are NaN on purpose
            return np.stack([np.nanmean(faces[rows], axis=0) for rows in self.windows])

    def __getitem__(self, i: int) -> Batch:
        """One window, all its frames augmented alike."""
        read = [self.faces.read(row) for row in self.windows[i]]
        unreadable = [message for frame in read for message in frame.get("unreadable", ())]
        frames = [frame for frame in read if "face" in frame]
        if not frames:
            return {"unreadable": unreadable}
        images, points = self.transform.clip(
            [frame["face"] for frame in frames], [frame["landmarks"] for frame in frames]
        )
        padding = self.length - len(frames)
        order = [*range(len(frames)), *[len(frames) - 1] * padding]
        sample: Batch = {
            key: torch.stack([torch.as_tensor(frame[key], device="cpu") for frame in frames])[order]
            for key in ("label", "target", "va", "index", "clip")
        }
        if padding:
            sample["label"][-padding:] = -1
            sample["target"][-padding:] = torch.nan
            sample["va"][-padding:] = torch.nan
        sample["image"] = images[order]
        sample["mask"] = torch.arange(self.length, device="cpu") < len(frames)
        sample["unreadable"] = unreadable
        if points is not None:
            sample["landmarks"] = points[order]
        return sample
