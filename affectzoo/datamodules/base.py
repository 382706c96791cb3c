"""The one DataModule: a data set's subclass says only how to read its files."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import (
    DataLoader,
    Dataset,
    Sampler,
    Subset,
    WeightedRandomSampler,
    get_worker_info,
)

from affectzoo.datamodules.clips import ClipDataset
from affectzoo.datamodules.dataset import FaceDataset, OnUnreadable, Targets, collate
from affectzoo.datamodules.imbalance import Imbalance, resample, resample_quadrants, sample_weights
from affectzoo.datamodules.transforms import Augment, FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.prepared import is_prepared, read_prepared
from affectzoo.errors import AffectZooError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.remote import local_root
from affectzoo.labels import LabelSpace, label_space
from affectzoo.sample import Batch


class FaceDataModule(pl.LightningDataModule):
    """Splits, samplers and loaders over one data set's index table.

    A data module conforms to the model: the command line hands it the model's ``preprocess`` and
    ``labels``, and it says its faces in those terms or explains why it cannot.
    """

    def __init__(
        self,
        root: str,
        *,
        preprocess: Preprocess | None = None,
        labels: LabelSpace | None = None,
        landmarks: int = 0,
        batch_size: int = 64,
        num_workers: int | None = None,
        augment: Augment = "modern",
        window: int = 0,
        stride: int | None = None,
        eval_window: int | None = None,
        eval_stride: int | None = None,
        imbalance: Imbalance = "as_is",
        cap: int = 15_000,
        valid_fraction: float = 0.1,
        test_split: Literal["test", "valid"] = "test",
        on_unreadable: OnUnreadable = "raise",
        drop_unmapped: bool = False,
        merge: dict[str, str | int | float | bool | None] | None = None,
        seed: int = 0,
    ) -> None:
        """Say which data and how to serve it; nothing is read before ``setup``.

        Args:
            root: The data set's folder, laid out as its authors ship it, or one that ``affectzoo data
                prepare`` made of it; of the latter also an address such as ``s3://bucket/folder``, whose
                files are fetched when they are first read.
            preprocess: The model's preprocessing; linked from the model on the command line.
            labels: The model's label space; linked from the model on the command line.
            landmarks: How many landmarks the model takes; linked likewise. Faces without them are left
                out, and counted.
            batch_size: Faces per step and device.
            num_workers: Loading processes; by default one per core, four at most.
            augment: Augmentation of the training part.
            window: Frames per sample for models that read sequences; 0 serves single faces.
            stride: Frames from one training window's start to the next's; by default ``window``.
            eval_window: Frames per window in evaluation; by default ``window``. At a window's start a
                recurrent model knows nothing of what was before: longer windows, best whole clips, show
                it at its best.
            eval_stride: Frames from one such window's start to the next's; by default ``eval_window``. Where
                windows overlap, a frame has the mean of its predictions. Each frame counts once.
            imbalance: Strategy for rare classes in the training part: as it is, down-sampled to ``cap`` per
                class, up-sampled to the largest class, drawn with equal class chances, or, for faces as
                well as windows, ``quadrants`` of valence and arousal duplicated to Aff-Wild's shares.
            cap: Most training faces per class when ``imbalance`` is ``down``.
            valid_fraction: Share of the training part held out, class by class, where the data set
                has no validation part of its own.
            test_split: Which part ``test`` runs on: ``test`` or ``valid``.
            on_unreadable: At a picture that cannot be read: ``raise`` stops and names it, ``skip``
                leaves it out, names it once and counts it.
            drop_unmapped: Leave out faces whose class the model lacks, rather than stop.
            merge: Class names to rename before mapping, such as ``{contempt: disgust}``.
            seed: Seed of the held-out part and of resampling.
        """
        super().__init__()
        self.root = local_root(root)
        self.preprocess = preprocess
        self.labels = labels
        self.landmarks = landmarks
        self.batch_size = batch_size
        self.num_workers = min(4, os.cpu_count() or 1) if num_workers is None else num_workers
        self.augment = augment
        self.window = window
        self.stride = window if stride is None else stride
        self.eval_window = window if eval_window is None else eval_window
        self.eval_stride = self.eval_window if eval_stride is None else eval_stride
        self.imbalance = imbalance
        self.cap = cap
        self.valid_fraction = valid_fraction
        self.test_split = test_split
        self.on_unreadable = on_unreadable
        self.drop_unmapped = drop_unmapped
        self.merge = merge
        self.seed = seed
        self.train_targets: Targets = "distribution"
        self.unreadable: dict[str, None] = {}
        """What could not be read so far, each once, in order of meeting."""
        self._index: FaceIndex | None = None
        self._parts: dict[str, FaceDataset | ClipDataset] = {}

    def read_index(self) -> FaceIndex:
        """Read the data set's files into an index table; each data set says how."""
        raise NotImplementedError

    def read(self) -> FaceIndex:
        """The index in the data set's own label space: as prepared, where ``root`` is such a folder."""
        if is_prepared(self.root):
            return read_prepared(self.root, type(self).__name__, self.reader_options())
        return self.read_index()

    def reader_options(self) -> dict[str, Any]:
        """The arguments that only this data set has: what its reader goes by."""
        common = inspect.signature(FaceDataModule.__init__).parameters
        own = inspect.signature(type(self).__init__).parameters
        return {
            name: vars(self)[name]
            for name, parameter in own.items()
            if name not in common and parameter.kind is not parameter.VAR_KEYWORD
        }

    @property
    def index(self) -> FaceIndex:
        """The data set in the model's label space; read once."""
        if self._index is None:
            index = self.read()
            if self.labels is not None:
                space = label_space(self.labels)
                index = index.conform(space, drop_unmapped=self.drop_unmapped, merge=self.merge)
            self._index = index.with_landmarks(self.landmarks)
            rank_zero_info(_summary(self._index))
        return self._index

    def train_class_counts(self) -> np.ndarray:
        """Faces per class of the training part before resampling, shape (C,)."""
        return self.split_index("train").class_counts()

    def setup(self, stage: str) -> None:
        """Read the parts that a stage needs.

        Raises:
            EmptySplitError: One of them holds no face.
        """
        needed = {"fit": ("train", "valid"), "validate": ("valid",), "test": (self.test_split,)}
        for split in needed.get(stage, ()):
            self._part(split)

    def split_index(self, split: str) -> FaceIndex:
        """The faces of one split as the loaders serve them: row ``i`` is the face with ``index`` ``i``."""
        return self._part(split).index

    def _part(self, split: str) -> FaceDataset | ClipDataset:
        if split not in self._parts:
            if self.preprocess is None:
                raise AffectZooError(
                    f"{type(self).__name__} needs preprocess=model.preprocess: the model decides "
                    "size, colour and normalisation (the command line links it by itself)"
                )
            index = self.index
            if split in ("train", "valid") and "valid" not in index.split_counts():
                index = hold_out(index, self.valid_fraction, self.seed)
            training = split == "train"
            faces = FaceDataset(
                index.part(split),
                FaceTransform(self.preprocess, self.augment if training else "none"),
                on_unreadable=self.on_unreadable,
                targets=self.train_targets if training else "distribution",
            )
            window = self.window if training else self.eval_window
            stride = self.stride if training else self.eval_stride
            self._parts[split] = ClipDataset(faces, window, stride) if window else faces
        return self._parts[split]

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled, resampled, augmented."""
        dataset = self._part("train")
        dataset.transform.seed(torch.initial_seed())
        sampler: Sampler[int] | None = None
        if isinstance(dataset, ClipDataset) and self.imbalance not in ("as_is", "quadrants"):
            raise AffectZooError(
                f"imbalance {self.imbalance} goes by the class of single faces; windows of clips take "
                "as_is or quadrants"
            )
        if self.imbalance == "quadrants":
            rows = resample_quadrants(dataset.mean_va())
        elif isinstance(dataset, ClipDataset):
            rows = np.arange(len(dataset))
        else:
            rows = resample(dataset.labels, self.imbalance, self.cap, self.seed)
            if self.imbalance == "weighted":
                weights = sample_weights(dataset.labels).tolist()
                sampler = WeightedRandomSampler(weights, len(dataset))
        chosen = dataset if len(rows) == len(dataset) else Subset(dataset, rows.tolist())
        return self._loader(
            chosen,
            shuffle=sampler is None,
            sampler=sampler,
            drop_last=len(rows) > self.batch_size,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every face once, in order."""
        return self._evaluation("valid")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Every face once, in order."""
        return self._evaluation(self.test_split)

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        dataset = self._part(split)
        # Lightning's own sampler would repeat faces to even out the ranks, and change the metrics.
        many = torch.distributed.is_available() and torch.distributed.is_initialized()
        sampler = UnrepeatedDistributedSampler(dataset, shuffle=False) if many else None
        return self._loader(dataset, shuffle=False, sampler=sampler)

    def _loader(
        self,
        dataset: Dataset[Batch],
        *,
        shuffle: bool,
        sampler: Sampler[int] | None,
        drop_last: bool = False,
    ) -> DataLoader[Batch]:
        return DataLoader(
            dataset,
            shuffle=shuffle,
            sampler=sampler,
            drop_last=drop_last,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=collate,
            worker_init_fn=_start_worker,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Name each unreadable picture once, here in the main process, and count it."""
        for message in batch.pop("unreadable", ()):
            if message not in self.unreadable:
                self.unreadable[message] = None
                rank_zero_warn(f"left out ({len(self.unreadable)} so far): {message}")
        return batch


def hold_out(index: FaceIndex, fraction: float, seed: int) -> FaceIndex:
    """Move a share of the training part to a validation part: whole subjects, or else class by class.

    Args:
        index: Faces with a ``train`` and no ``valid`` part.
        fraction: The share, in (0, 1); each class gives at least one face and keeps one, if it
            has two.
        seed: Of the draw.
    """
    if not 0 < fraction < 1:
        raise AffectZooError(f"valid_fraction is {fraction}, expected a share between 0 and 1")
    random = np.random.default_rng(seed)
    table = index.table.copy()
    training = table[table["split"] == "train"]
    if training["subject"].notna().all():
        subjects = random.permutation(np.sort(training["subject"].unique()))
        count = min(max(1, round(fraction * len(subjects))), len(subjects) - 1)
        held = training.index[training["subject"].isin(subjects[:count])]
        table.loc[held, "split"] = "valid"
        return replace(index, table=table)
    for _, members in training.groupby("label", sort=True, dropna=False):
        most = len(members) - 1
        count = min(max(1, round(fraction * len(members))), most)
        table.loc[random.permutation(members.index.to_numpy())[:count], "split"] = "valid"
    return replace(index, table=table)


def _summary(index: FaceIndex) -> str:
    counts = ", ".join(f"{split} {count:,}" for split, count in index.split_counts().items())
    told = f"{index.dataset}: {counts} faces"
    for kind, reasons in (("left out", index.left_out), ("seen and not used", index.unused)):
        if reasons:
            told += f" ({kind}: {'; '.join(f'{why}: {count:,}' for why, count in sorted(reasons.items()))})"
    return told


def _start_worker(worker_id: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # processes already use every core
    info = get_worker_info()
    if info is None:
        return
    dataset = info.dataset.dataset if isinstance(info.dataset, Subset) else info.dataset
    if isinstance(dataset, FaceDataset | ClipDataset):
        dataset.transform.seed(info.seed)
