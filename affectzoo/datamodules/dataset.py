"""From an index table to samples and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, default_collate

from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, UnreadableImageError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.videos import read_picture
from affectzoo.sample import Batch

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points

OnUnreadable = Literal["raise", "skip"]
Targets = Literal["distribution", "draw", "positive"]


class FaceDataset(Dataset[Batch]):
    """Faces of one part of a data set, ready for a network."""

    def __init__(
        self,
        index: FaceIndex,
        transform: FaceTransform,
        *,
        on_unreadable: OnUnreadable = "raise",
        targets: Targets = "distribution",
    ) -> None:
        """Take the faces as the index has them.

        Args:
            index: One part of a data set, in the model's label space.
            transform: Augmentation and the model's preprocessing.
            on_unreadable: Raise at a picture that cannot be read, or leave it out of its batch and
                name it there.
            targets: ``distribution``: as the index has it; ``draw``: one class drawn from it, anew
                at each reading (FER+ probability); ``positive``: 1 for each class in it, 0.001
                for the others (FER+ multi-target).
        """
        self.index = index
        self.transform = transform
        self.on_unreadable = on_unreadable
        self.targets = targets
        table = index.table
        names = () if index.labels is None else index.labels.names
        self._labels = [-1 if name is None else names.index(name) for name in table["label"]]
        unknown = np.full(len(names), np.nan)
        targets_known = [unknown if target is None else target for target in table["target"]]
        self._distributions = np.stack(targets_known).astype(np.float32)
        clips = pd.factorize(table["clip"], sort=True)[0]  # -1 for faces of no clip
        self._clips: list[int] | None = clips.tolist() if (clips >= 0).any() else None
        self._va = torch.from_numpy(table[["valence", "arousal"]].to_numpy(np.float32, na_value=np.nan))
        self._rows: list[dict[str, Any]] = table[
            ["path", "frame", "box", "landmarks", "pixels", "digest", "source"]
        ].to_dict("records")  # type: ignore[assignment]
        known = next((row["landmarks"] for row in self._rows if row["landmarks"] is not None), None)
        self._no_landmarks = None if known is None else torch.full(known.shape, torch.nan, device="cpu")

    def __len__(self) -> int:
        """Number of faces."""
        return len(self._rows)

    @property
    def labels(self) -> np.ndarray:
        """Class index of each face, shape (N,), -1 for none."""
        return np.array(self._labels)

    def mean_va(self) -> np.ndarray:
        """Valence and arousal of each face, shape (N, 2), NaN where unknown."""
        return self._va.numpy()

    def __getitem__(self, i: int) -> Batch:
        """One face, augmented and normalised, or under ``unreadable`` why there is none."""
        sample = self.read(i)
        if "unreadable" in sample:
            return sample
        landmarks = sample.pop("landmarks")
        sample["image"], points = self.transform(sample.pop("face"), landmarks)
        if points is not None:
            sample["landmarks"] = points
        elif self._no_landmarks is not None:
            sample["landmarks"] = self._no_landmarks
        return sample

    def read(self, i: int) -> Batch:
        """One face before augmentation: ``face`` and ``landmarks`` in its pixels, and what is known of it."""
        row = self._rows[i]
        try:
            face, landmarks = self._face(row)
        except AffectZooError as error:
            listed = f"listed in {row['source']}"
            if self.on_unreadable == "skip":
                return {"unreadable": [f"{error} ({listed})"]}
            raise UnreadableImageError(
                f"{error} ({listed}; --data.on_unreadable skip leaves such faces out)"
            ) from None
        return {
            "face": face,
            "landmarks": landmarks,
            "label": self._labels[i],
            "target": torch.from_numpy(self._target(i)),
            "va": self._va[i],
            "index": i,
            "path": row["path"],
            **({} if self._clips is None else {"clip": self._clips[i]}),
        }

    def _face(self, row: dict[str, Any]) -> tuple[Image, Points | None]:
        preprocess: Preprocess = self.transform.preprocess
        picture = row["pixels"]
        if picture is None:
            picture = read_picture(self.index.root / row["path"], row["frame"], row["digest"])
        landmarks = row["landmarks"]
        if landmarks is not None:
            landmarks = preprocess.points(landmarks, picture, row["box"])
        return preprocess.face(picture, row["box"]), landmarks

    def _target(self, i: int) -> np.ndarray:
        target: np.ndarray = self._distributions[i]
        if len(target) == 0 or np.isnan(target[0]):
            return target
        if self.targets == "positive":
            target = np.where(target > 0, 1.0, 0.001)
        elif self.targets == "draw":
            drawn = int(torch.multinomial(torch.from_numpy(target), 1))
            target = np.arange(len(target)) == drawn
        return target.astype(np.float32)


def none_readable(index: FaceIndex) -> UnreadableImageError:
    """The error for faces that are left out when they cannot be read, where that would leave none."""
    return UnreadableImageError(
        f"{index.root}: none of {len(index)} faces can be read; affectzoo data check says why"
    )


def collate(samples: list[Batch]) -> Batch:
    """Stack samples; those that could not be read are named under ``unreadable``.

    Raises:
        UnreadableImageError: No sample of the batch could be read.
    """
    unreadable = [message for sample in samples for message in sample.pop("unreadable", ())]
    readable = [sample for sample in samples if sample]
    if not readable:
        raise UnreadableImageError(
            f"none of a batch's {len(samples)} pictures can be read; the first: {unreadable[0]}"
        )
    batch: Batch = default_collate(readable)
    batch["unreadable"] = unreadable
    return batch
