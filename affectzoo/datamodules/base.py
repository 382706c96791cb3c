"""The one DataModule: a data set's subclass says only how to read its files."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import DataLoader, Sampler

from affectzoo.datamodules.clips import ClipDataset
from affectzoo.datamodules.dataset import FaceDataset, OnUnreadable, Targets, collate
from affectzoo.datamodules.holdout import check_fraction, hold_out
from affectzoo.datamodules.imbalance import Imbalance, resample, resample_quadrants, sample_weights
from affectzoo.datamodules.samplers import EvaluationSampler, TrainingSampler
from affectzoo.datamodules.transforms import Augment, FaceTransform
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.prepared import is_prepared, read_prepared
from affectzoo.errors import DataError, OptionError, UnknownNameError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.remote import local_root
from affectzoo.labels import LabelSpace, label_space
from affectzoo.processes import from_all_processes, from_first_process
from affectzoo.sample import Batch

TestSplit = Literal["test", "valid"]
WINDOWED = ("as_is", "quadrants")
"""What ``imbalance`` may be for windows of clips."""
NAMED = 10
"""How many unreadable images are named on screen as they are met."""


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
        test_split: TestSplit = "test",
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
            landmarks: How many landmarks the model takes or learns; linked likewise. Faces without them are
                left out, and counted.
            batch_size: Faces, or windows, per step and device.
            num_workers: Loading processes per device; by default one per core, four at most. How many there
                are changes nothing in what is drawn.
            augment: Augmentation of the training part, drawn from the training's seed, epoch and place in it.
            window: Frames per sample for models that read sequences; 0 serves single faces.
            stride: Frames from one training window's start to the next's; by default ``window``.
            eval_window: Frames per window in evaluation; by default ``window``. At a window's start a
                recurrent model knows nothing of what was before: longer windows, best whole clips, show
                it at its best.
            eval_stride: Frames from one such window's start to the next's; by default ``eval_window``. Where
                windows overlap, a frame has the mean of its predictions. Each frame counts once.
            imbalance: Strategy for rare classes in the training part: as it is, down-sampled to ``cap`` per
                class, up-sampled to the largest class, drawn with equal class chances, or, for faces as
                well as windows, ``quadrants`` of valence and arousal duplicated to Aff-Wild's shares. Faces
                without a class keep their share.
            cap: Most training faces per class when ``imbalance`` is ``down``.
            valid_fraction: Share of the training part held out where the data set has no validation part of
                its own: whole subjects where they are known, else whole clips, else images.
            test_split: Which part ``test`` and ``predict`` run on: ``test`` or ``valid``.
            on_unreadable: At an image that cannot be read: ``raise`` stops and names it, ``skip`` leaves it
                out and counts it (in training another face, drawn at random, takes its place).
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
        self.num_workers = min(4, _cores()) if num_workers is None else num_workers
        self.augment: Augment = augment
        self.window = window
        self.stride = window if stride is None else stride
        self.eval_window = window if eval_window is None else eval_window
        self.eval_stride = self.eval_window if eval_stride is None else eval_stride
        self.imbalance: Imbalance = imbalance
        self.cap = cap
        self.valid_fraction = valid_fraction
        self.test_split = test_split
        self.on_unreadable: OnUnreadable = on_unreadable
        self.drop_unmapped = drop_unmapped
        self.merge = merge
        self.seed = seed
        self.train_targets: Targets = "distribution"
        self.unreadable: dict[str, None] = {}
        """What could not be read so far, each once, in order of meeting."""
        self._index: FaceIndex | None = None
        self._drawn: int | None = None
        self._place = (0, 0)
        self._parts: dict[str, FaceDataset | ClipDataset] = {}
        self._check_options()

    def _check_options(self) -> None:
        for name, least in (("batch_size", 1), ("num_workers", 0), ("landmarks", 0), ("cap", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise OptionError(f"data.{name} is {getattr(self, name)}, expected at least {least}")
        choices = {"augment": Augment, "imbalance": Imbalance, "on_unreadable": OnUnreadable}
        for name, known in {**choices, "test_split": TestSplit}.items():
            if getattr(self, name) not in get_args(known):
                raise UnknownNameError(f"data.{name}", getattr(self, name), get_args(known))
        check_fraction(self.valid_fraction)
        for window, stride in (("window", "stride"), ("eval_window", "eval_stride")):
            length, step = getattr(self, window), getattr(self, stride)
            if length < 0 or not min(1, length) <= step <= length:
                raise OptionError(
                    f"data.{window} is {length} and data.{stride} {step}: a window has at least 1 frame (0: "
                    "single faces), and its stride is 1 to as many"
                )
        if self.window and not self.eval_window:
            raise OptionError(_mixed(self.window, self.eval_window))
        if self.window and self.imbalance not in WINDOWED:
            raise OptionError(
                f"data.imbalance {self.imbalance} goes by the class of single faces; windows of clips take "
                f"{' or '.join(WINDOWED)}"
            )

    def read_by(
        self,
        reader: Callable[..., FaceIndex],
        *,
        folding: Callable[[Path, Any], Mapping[str, int]] | None = None,
        **options: Any,
    ) -> None:
        """Say how the files are read.

        Args:
            reader: Takes the root and the options; ``landmarks``, where it knows that, says whether they are
                wanted.
            folding: Takes the root and ``folds``, gives each subject's fold.
            **options: The arguments that only this data set has; they become attributes.
        """
        self._reader, self._folding = reader, folding
        vars(self).update(options)

    def read_index(self) -> FaceIndex:
        """Read the data set's files into an index table; of folds, name the hash."""
        options = self.reader_options()
        if self._folding is not None and options["fold"] is not None:
            folds = self._folding(self.root, options["folds"])
            number = options["folds"] or len(set(folds.values()))
            name = type(self).__name__.lower()
            rank_zero_info(f"{name}: test fold {options['fold']} of {number}, folds {folds_hash(folds)}")
        if "landmarks" in inspect.signature(self._reader).parameters:
            options["landmarks"] = self.landmarks > 0
        return self._reader(self.root, **options)

    def read(self) -> FaceIndex:
        """The index in the data set's own label space: as prepared, where ``root`` is such a folder."""
        return self._read()

    def _read(self, landmarks: bool = True) -> FaceIndex:
        if is_prepared(self.root):
            options = self.reader_options()
            return read_prepared(self.root, type(self).__name__, options, landmarks=landmarks)
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
            self._index = self._read_index()
        return self._index

    def _read_index(self) -> FaceIndex:
        index = self._read(landmarks=self.landmarks > 0)
        if self.labels is not None:
            space = label_space(self.labels)
            index = index.conform(space, drop_unmapped=self.drop_unmapped, merge=self.merge)
        index = index.with_landmarks(self.landmarks)
        rank_zero_info(_summary(index))
        return index

    def train_class_counts(self) -> np.ndarray:
        """Faces per class of the training part before resampling, shape (C,)."""
        return self.split_index("train").class_counts()

    def setup(self, stage: str) -> None:
        """Read the parts that a stage needs; of several processes one reads the index for all.

        Raises:
            EmptySplitError: One of them holds no face.
        """
        if stage == "fit" and bool(self.window) != bool(self.eval_window):
            raise OptionError(_mixed(self.window, self.eval_window))
        with _collecting_nothing():
            if self._index is None:
                self._index = from_first_process(self._read_index)
            if stage == "fit":
                self._drawn = from_first_process(torch.initial_seed)
                self._place = (0, 0)
            for split in self._stage_splits(stage):
                self._part(split)

    def _stage_splits(self, stage: str) -> tuple[str, ...]:
        return {"fit": ("train", "valid"), "validate": ("valid",)}.get(stage, (self.test_split,))

    def split_index(self, split: str) -> FaceIndex:
        """The faces of one split as the loaders serve them: row ``i`` is the face with ``index`` ``i``."""
        return self._part(split).index

    def _part(self, split: str) -> FaceDataset | ClipDataset:
        if split not in self._parts:
            if self.preprocess is None:
                raise OptionError(
                    f"{type(self).__name__} needs preprocess=model.preprocess: the model decides "
                    "size, color and normalization (the command line links it by itself)"
                )
            index = self.index if split == "test" else self._with_valid
            training = split == "train"
            skip = "replace" if training and self.on_unreadable == "skip" else self.on_unreadable
            faces = FaceDataset(
                index.part(split),
                FaceTransform(self.preprocess, self.augment if training else "none"),
                on_unreadable=skip,
                targets=self.train_targets if training else "distribution",
            )
            window = self.window if training else self.eval_window
            stride = self.stride if training else self.eval_stride
            self._parts[split] = ClipDataset(faces, window, stride) if window else faces
            if training and window:
                _warn_of_padding(self._parts[split], window)  # type: ignore[arg-type]
        return self._parts[split]

    @cached_property
    def _with_valid(self) -> FaceIndex:
        """The index with a validation part: its own, else one held out of the training part."""
        if "valid" in self.index.split_counts():
            return self.index
        self.index.part("train")  # which must not be empty
        index, held_out = hold_out(self.index, self.valid_fraction, self.seed)
        rank_zero_info(f"{index.dataset}: {held_out}")
        return index

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled, resampled, augmented; every process gets equally many batches.

        Raises:
            DataError: The labels that ``imbalance`` goes by are lacking.
        """
        dataset = self._part("train")
        rows, weights = self._epoch_rows(dataset)
        seed = from_first_process(torch.initial_seed) if self._drawn is None else self._drawn
        sampler = TrainingSampler(rows, seed, weights)
        sampler.resume(*max(self._place, self._here()))
        return self._loader(dataset, sampler, drop_last=len(sampler) > self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Say for a checkpoint where the training is in its data."""
        epoch, served = self._here()
        return {"epoch": epoch, "served": served}

    def _here(self) -> tuple[int, int]:
        """The epoch to be served, and how many of its samples each process was served.

        Lightning tells a sampler its epoch only after its loading processes have begun to read.
        """
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        batches: Any = loop.epoch_loop.batch_progress
        epoch: Any = loop.epoch_progress.current
        within = epoch.started > epoch.processed
        if within and not batches.is_last_batch:
            return epoch.processed, batches.current.processed * self.batch_size
        return epoch.processed + within, 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint's training was."""
        self._place = (state_dict.get("epoch", 0), state_dict.get("served", 0))

    def _epoch_rows(self, dataset: FaceDataset | ClipDataset) -> tuple[np.ndarray, np.ndarray | None]:
        """The samples that an epoch goes through, and with which chances if they are drawn."""
        every = np.arange(len(dataset))
        if self.imbalance == "as_is":
            return every, None
        if self.imbalance == "quadrants":
            values = dataset.mean_va()
            if not np.isfinite(values).all(axis=1).any():
                raise DataError(_nothing_to_balance(self.imbalance, "valence and arousal", dataset.index))
            return resample_quadrants(values), None
        labels = dataset.truth.label.numpy()
        if not (labels >= 0).any():
            raise DataError(_nothing_to_balance(self.imbalance, "a class", dataset.index))
        if self.imbalance == "weighted":
            return every, sample_weights(labels)
        return resample(labels, self.imbalance, self.cap, self.seed), None

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every face of the validation part once, in order."""
        return self._evaluation("valid")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Every face of the part that ``test_split`` names once, in order."""
        return self._evaluation(self.test_split)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The same faces as ``test_dataloader``; batches say in ``index`` which row each is."""
        return self._evaluation(self.test_split)

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        dataset = self._part(split)
        return self._loader(dataset, EvaluationSampler(len(dataset)))

    def _loader(
        self, dataset: FaceDataset | ClipDataset, sampler: Sampler[Any], *, drop_last: bool = False
    ) -> DataLoader[Batch]:
        return DataLoader(
            dataset,
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
        """Name the first unreadable images, each once, here in the main process; all are counted."""
        for message in batch.pop("unreadable", ()):
            if message not in self.unreadable:
                self.unreadable[message] = None
                if len(self.unreadable) <= NAMED:
                    rank_zero_warn(f"excluded ({len(self.unreadable)} so far): {message}")
        return batch

    def gather_unreadable(self) -> None:
        """Make ``unreadable`` that of all processes; all of them must call it."""
        for others in from_all_processes(list(self.unreadable)):
            self.unreadable |= dict.fromkeys(others)

    def teardown(self, stage: str) -> None:
        """Say how many images could not be read."""
        self.gather_unreadable()
        if self.unreadable:
            first = ", ".join(list(self.unreadable)[:1])
            rank_zero_info(f"excluded {len(self.unreadable):,} unreadable images (the first: {first})")


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Let the garbage collector rest: it would look at millions of new objects again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _mixed(window: int, eval_window: int) -> str:
    return (
        f"data.window is {window} and data.eval_window {eval_window}: a model reads windows of clips or "
        "single faces, not the one in training and the other in evaluation"
    )


def _nothing_to_balance(imbalance: str, what: str, index: FaceIndex) -> str:
    return (
        f"data.imbalance {imbalance} goes by {what}, but none of {len(index)} training faces of "
        f"{index.dataset} has {what}"
    )


def _summary(index: FaceIndex) -> str:
    counts = ", ".join(f"{split} {count:,}" for split, count in index.split_counts().items())
    told = f"{index.dataset}: {counts} faces"
    for kind, reasons in (("excluded", index.left_out), ("seen and not used", index.unused)):
        if reasons:
            told += f" ({kind}: {'; '.join(f'{why}: {count:,}' for why, count in sorted(reasons.items()))})"
    trained = set(index.table["label"][index.table["split"] == "train"]) - {None}
    lacking = [] if index.labels is None else [name for name in index.labels.names if name not in trained]
    if trained and lacking:
        told += f" (no training face of: {', '.join(lacking)})"
    return told


def _warn_of_padding(windows: ClipDataset, length: int) -> None:
    longest = max(map(len, windows.windows))
    if longest < length:
        rank_zero_warn(
            f"data.window is {length}, but the longest clip of the training part has {longest} frames: all "
            "windows are filled up with frames that do not count"
        )


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker(worker_id: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # processes already use every core
