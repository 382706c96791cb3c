"""From an index table to samples and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset, default_collate

from affectzoo.datamodules.rows import FaceRows
from affectzoo.datamodules.transforms import Face, FaceTransform, drawn_seed
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, UnreadableImageError
from affectzoo.files.videos import read_picture
from affectzoo.sample import Batch, GroundTruth

if TYPE_CHECKING:
    from affectzoo.datamodules.samplers import Draw

OnUnreadable = Literal["raise", "skip"]
Unreadable = Literal["raise", "skip", "replace"]
Targets = Literal["distribution", "draw", "positive"]


def ground_truth(index: FaceIndex) -> GroundTruth:
    """Collect the ground truth of an index, one entry per row."""
    table = index.table
    names = () if index.labels is None else index.labels.names
    number: dict[str | None, int] = {None: -1, **{name: i for i, name in enumerate(names)}}
    unknown = np.full(len(names), np.nan, np.float32)
    targets = [unknown if target is None else target for target in table["target"]]
    clips = pd.factorize(table["clip"], sort=True)[0]  # -1 for faces of no clip
    return GroundTruth(
        torch.tensor([number[name] for name in table["label"]], dtype=torch.int64, device="cpu"),
        torch.from_numpy(np.concatenate(targets).astype(np.float32).reshape(len(targets), len(names))),
        torch.from_numpy(table[["valence", "arousal"]].to_numpy(np.float32, na_value=np.nan)),
        torch.from_numpy(clips.astype(np.int64)),
    )


class SampleDataset(Dataset[Batch]):
    """Samples that may turn out to be unreadable; a subclass says how one is made.

    Attributes:
        index: The faces that samples are made of.
        on_unreadable: What happens where no image of a sample can be read. ``raise``: an error names it.
            ``skip``: the sample has no label and ``mask`` is False, so that neither loss nor metrics count
            it, and all processes keep in step. ``replace``: another sample, drawn at random, takes its place.
    """

    index: FaceIndex
    on_unreadable: Unreadable

    def __init__(self) -> None:
        self._lost: set[int] = set()

    def __len__(self) -> int:
        """Number of samples."""
        raise NotImplementedError

    def sample(self, i: int, seed: int | None) -> Batch:
        """Make a sample from the ``i``-th entry; a ``seed`` of ``None`` draws from PyTorch's generator."""
        raise NotImplementedError

    def __getitem__(self, item: int | Draw) -> Batch:
        """Make one sample, see ``affectzoo.sample.Batch``; ``unreadable`` names what could not be read.

        Args:
            item: Which one; a ``Draw`` also says with which seed.

        Raises:
            UnreadableImageError: An image cannot be read; under ``replace``: none of all can.
        """
        i, seed = item if isinstance(item, tuple) else (item, None)
        if self.on_unreadable != "replace":
            return self.sample(i, seed)
        unreadable: list[str] = []
        for other in self._candidates(i, seed):
            sample = self.sample(other, seed)
            unreadable += sample["unreadable"]
            if sample["mask"].any():
                return sample | {"unreadable": unreadable}
            self._lost.add(other)
        raise none_readable(self.index)

    def _candidates(self, i: int, seed: int | None) -> Any:
        """The sample asked for, then all others in random order, without those known to be lost."""
        if i not in self._lost:
            yield i
        for other in random_generator(seed, 2).permutation(len(self)).tolist():
            if other != i and other not in self._lost:
                yield other


class FaceDataset(SampleDataset):
    """Faces of one part of a data set, ready for a network."""

    def __init__(
        self,
        index: FaceIndex,
        transform: FaceTransform,
        *,
        on_unreadable: Unreadable = "raise",
        targets: Targets = "distribution",
    ) -> None:
        """Take the faces as the index has them.

        Args:
            index: One part of a data set, in the model's label space.
            transform: Augmentation and the model's preprocessing.
            on_unreadable: See ``SampleDataset``.
            targets: ``distribution``: as the index has it; ``draw``: one class drawn from it, anew
                at each reading (FER+ probability); ``positive``: 1 for each class in it, 0.001
                for the others (FER+ multi-target).

        Raises:
            OptionError: The augmentation mirrors, and the faces' landmarks cannot be mirrored; or prepared
                crops end before what the network is to see.
        """
        super().__init__()
        self.index = index
        self.transform = transform
        self.on_unreadable = on_unreadable
        self.targets = targets
        self.truth = ground_truth(index)
        self._rows = FaceRows(index.table)
        self.landmarks = self._rows.landmarks()
        """How many landmarks faces have; 0 where none has any."""
        transform.check_landmarks(self.landmarks)
        if index.table["box"].notna().any():
            transform.preprocess.check_margin(index.margin, str(index.root))

    def __len__(self) -> int:
        """Number of faces."""
        return len(self._rows)

    @property
    def labels(self) -> np.ndarray:
        """Class index of each face, shape (N,), -1 for none."""
        return self.truth.label.numpy()

    def mean_va(self) -> np.ndarray:
        """Valence and arousal of each face, shape (N, 2), NaN where unknown."""
        return self.truth.va.numpy()

    def sample(self, i: int, seed: int | None = None) -> Batch:
        """Make one face's sample."""
        face = self.face(i)
        sample = {**self.facts(i, seed), "path": self._rows[i]["path"]}
        if isinstance(face, str):
            return sample | self.blank() | {"unreadable": [face]}
        image, points = self.transform.still(face, seed)
        if self.landmarks:
            sample["landmarks"] = self._no_landmarks(torch.nan) if points is None else points
        return sample | {"image": image, "mask": torch.tensor(True, device="cpu"), "unreadable": []}

    def face(self, i: int) -> Face | str:
        """The face cut out, before augmentation, or why there is none.

        Raises:
            UnreadableImageError: There is none, and ``on_unreadable`` is ``raise``.
        """
        row = self._rows[i]
        try:
            image = row["pixels"]
            if image is None:
                image = read_picture(self.index.root / row["path"], row["frame"], row["digest"])
            return self.transform.face(image, row["box"], row["landmarks"])
        except AffectZooError as error:
            listed = f"listed in {row['source']}"
            if self.on_unreadable != "raise":
                return f"{error} ({listed})"
            raise UnreadableImageError(
                f"{error} ({listed}; --data.on_unreadable skip leaves such faces out)"
            ) from None

    def facts(self, rows: int | list[int], seed: int | None = None) -> Batch:
        """What is known of one face, or of several one below the other."""
        label, target, va, clip = (column[rows] for column in self.truth)
        known = {"label": label, "target": self._target(target, seed), "va": va}
        return {**known, "clip": clip, "index": torch.as_tensor(rows, device="cpu")}

    def blank(self) -> Batch:
        """What a sample has instead, where there is no image."""
        preprocess, classes = self.transform.preprocess, self.truth.target.shape[1]
        blank: Batch = {
            "image": torch.zeros(preprocess.channels, preprocess.size, preprocess.size, device="cpu"),
            "mask": torch.tensor(False, device="cpu"),
            "label": torch.tensor(-1, device="cpu"),
            "target": torch.full((classes,), torch.nan, device="cpu"),
            "va": torch.full((2,), torch.nan, device="cpu"),
        }
        return blank | ({"landmarks": self._no_landmarks(0.0)} if self.landmarks else {})

    def _no_landmarks(self, value: float) -> torch.Tensor:
        return torch.full((self.landmarks, 2), value, device="cpu")

    def _target(self, target: torch.Tensor, seed: int | None) -> torch.Tensor:
        """Training targets from distributions, shape (..., C); NaN stays."""
        unknown = target.isnan()
        if self.targets == "distribution" or unknown.all():
            return target
        if self.targets == "positive":
            told = torch.where(target > 0, 1.0, 0.001)
        else:
            places = random_generator(seed, 1).random((*target.shape[:-1], 1))
            reached = target.nan_to_num(1.0).double().cumsum(dim=-1)
            drawn = (reached <= torch.from_numpy(places) * reached[..., -1:]).sum(dim=-1)
            told = F.one_hot(drawn, target.shape[-1]).float()
        return torch.where(unknown, torch.nan, told)


def random_generator(seed: int | None, stream: int) -> np.random.Generator:
    """A generator of a sample's own; what it is for has a number, so that draws are independent."""
    return np.random.default_rng((drawn_seed() if seed is None else seed, stream))


def none_readable(index: FaceIndex) -> UnreadableImageError:
    """The error for faces that are excluded when they cannot be read, where that would leave none."""
    return UnreadableImageError(
        f"{index.root}: none of {len(index)} faces can be read; affectzoo data check says why"
    )


def collate(samples: list[Batch]) -> Batch:
    """Stack samples; the messages under ``unreadable`` become one list."""
    unreadable = [message for sample in samples for message in sample.pop("unreadable")]
    batch: Batch = default_collate(samples)
    return batch | {"unreadable": unreadable}
