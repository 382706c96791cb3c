"""The LightningModule that every architecture is in training: losses, optimizer, schedule, one step.

An architecture's module is its network (``affectzoo.models``) with this class before it; nothing of the step
is written twice.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn

from affectzoo.datamodules.clips import ClipDataset
from affectzoo.datamodules.dataset import FaceDataset, none_readable
from affectzoo.datamodules.imbalance import BY_CLASS, Imbalance
from affectzoo.errors import EmptySplitError, LabelError, OptionError, WeightsError
from affectzoo.losses.features import FeatureLoss, LocalityPreservingLoss
from affectzoo.metrics.predictions import Predicted, Predictions
from affectzoo.models.base import AffectModel, Trunk
from affectzoo.modules import resuming
from affectzoo.modules.freezing import Freeze, freeze, frozen_batch_norm_to_eval
from affectzoo.modules.optim import OptimizerSettings, Schedule
from affectzoo.modules.scaled import ScaledHead
from affectzoo.processes import alone
from affectzoo.sample import AffectOutput, Batch, GroundTruth
from affectzoo.tasks.build import Task, build_tasks
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask
from affectzoo.tasks.landmarks import LandmarkLoss, LandmarkTask
from affectzoo.tasks.va import VALoss, VATask
from affectzoo.weights import WeightsMeta

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex


MEMORY = "memory"
"""What checkpoints keep the memory of the locality-preserving loss under."""


class AffectModule(AffectModel, pl.LightningModule):  # type: ignore[misc]  # one device and dtype
    """Base of all architectures' LightningModules.

    Attributes:
        predicted: The predictions of the latest evaluation by stage, ``valid`` and ``test``.
    """

    def __init__(
        self,
        *,
        frozen: Freeze = "none",
        loss: ExpressionLoss = ExpressionLoss(),
        va_loss: VALoss = VALoss(),
        va_weight: float = 1.0,
        landmark_loss: LandmarkLoss = LandmarkLoss(),
        feature_loss: FeatureLoss | None = None,
        optimizer: OptimizerSettings = OptimizerSettings(),
        schedule: Schedule = Schedule(),
        **network: Any,
    ) -> None:
        """Build the network and what trains it.

        Args:
            frozen: What is not trained: none, trunk, or all of the trunk but this share of its last layers.
            loss: How class scores are judged.
            va_loss: How valence and arousal are judged.
            va_weight: Factor of the valence/arousal loss beside the expression's, 0 or more.
            landmark_loss: How landmarks are judged, where they are predicted.
            feature_loss: A loss on the features; by default as the architecture's paper does.
            optimizer: Optimizer and rates.
            schedule: How the learning rate moves.
            **network: Of the network, see its class in ``affectzoo.models``.

        Raises:
            LabelError: A loss on features needs classes, and there are none.
            OptionError: A number is out of range.
        """
        if not 0 <= va_weight < math.inf:
            raise OptionError(f"va_weight is {va_weight}, expected 0 or more")
        super().__init__(**network)  # the architecture's network, which comes next in every subclass
        if feature_loss is None:
            feature_loss = FeatureLoss() if self.labels is None else FeatureLoss(**self.default_feature_loss)
        if feature_loss.name != "none" and self.labels is None:
            raise LabelError(
                f"feature_loss {feature_loss.name} needs classes, task {self.task_name} has none"
            )
        if va_loss.scale != 1 and "va" in self.heads:
            trained = network.get("weights") is not None and not network.get("new_head")
            self.heads["va"] = ScaledHead(cast(nn.Linear, self.heads["va"]), va_loss.scale, trained=trained)
        self.frozen = frozen
        self.feature_loss = feature_loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.va_weight = va_weight
        with torch.device("cpu"):  # also where the network is built without memory
            self._tasks = nn.ModuleList(
                build_tasks(self.task_name, self.labels, loss, va_loss, landmark_loss)
            )
            dim = cast(Trunk, self.trunk).feature_dim
            self.feature_term = feature_loss.build(len(self.labels or ()), dim)
        freeze(self.trunk, frozen)
        self.predicted: dict[str, Predicted] = {}
        self._predictions: dict[str, Predictions] = {}
        self._seed = 0

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, **options: Any
    ) -> AffectModule:
        """Load a trained model as a LightningModule, in training mode; see ``AffectModel``."""
        from affectzoo.modules import lightning_module

        return lightning_module(super().from_pretrained(name, revision=revision, **options))

    @property
    def tasks(self) -> list[Task]:
        """What the model predicts, one task per head, with its loss."""
        return cast(list[Task], list(self._tasks))

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; batch norm of frozen layers keeps its statistics in both."""
        super().train(mode)
        if mode:
            frozen_batch_norm_to_eval(self.trunk)
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note in a checkpoint which model it is of."""
        known = self.describe().untrained()  # nothing of what it started from
        checkpoint["affectzoo"] = known.to_dict()
        if self._trainer is not None and self.trainer.state.fn == "fit":
            total = self.trainer.estimated_stepping_batches
            checkpoint[resuming.KEY] = resuming.noted(self.optimizer, self.schedule, total)
        if isinstance(self.feature_term, LocalityPreservingLoss):
            checkpoint[MEMORY] = self.feature_term.memory

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another architecture or label space.

        Raises:
            WeightsError: Of another architecture, not of affectzoo, or to be measured with faces that are
                prepared otherwise than in its training.
            LabelError: For other classes.
            OptionError: See ``resuming.go_on``.
        """
        if "affectzoo" not in checkpoint:
            raise WeightsError("the checkpoint was not written by affectzoo")
        meta = WeightsMeta.from_dict(checkpoint["affectzoo"], "the checkpoint")
        self.check_meta(meta, "the checkpoint")
        self.drawn_head, self.starts_trained = False, True
        fits = self._trainer is not None and self.trainer.state.fn == "fit"
        if meta.preprocess != self.preprocess and not fits:
            raise WeightsError(
                f"the checkpoint's faces are prepared by {meta.preprocess}, this recipe's by "
                f"{self.preprocess}: take the run's own recipe (--config RUN/config.yaml)"
            )
        if fits:
            data: Any = getattr(self.trainer, "datamodule", None)
            place = checkpoint.get(type(data).__qualname__)
            if place:  # Lightning tells it later, but counting steps makes loading processes begin to read
                data.load_state_dict(place)
            total = self.trainer.estimated_stepping_batches
            built = self.optimizer.build(self.trunk, self.heads)
            resuming.go_on(checkpoint, self.optimizer, self.schedule, built, total)
            if isinstance(self.feature_term, LocalityPreservingLoss) and MEMORY in checkpoint:
                self.feature_term.recall(checkpoint[MEMORY])

    def setup(self, stage: str) -> None:
        """Check that data and model speak the same labels; take class counts from the training part.

        Raises:
            LabelError: They do not.
            OptionError: Rare classes are favored twice, or the data serve single faces to a model of windows,
                or the reverse.
            EmptySplitError: No training face is labeled for one of the tasks.
        """
        self._check_window(stage)
        self.trunk.to(memory_format=torch.channels_last)
        data = getattr(self.trainer, "datamodule", None)
        spoken = getattr(getattr(data, "index", None), "labels", None)
        if spoken is not None and self.labels is not None and not spoken.same_classes(self.labels):
            raise LabelError(
                f"the data speak {spoken}, the model {self.labels}; give the data module labels=model.labels"
            )
        if stage == "fit" and data is not None and hasattr(data, "train_class_counts"):
            faces = data.split_index("train").table
            for task in self.tasks:
                _check_labeled(task, faces)
                if isinstance(task, ExpressionTask):
                    _check_balanced_once(task, getattr(data, "imbalance", "as_is"))
                    task.use_class_counts(data.train_class_counts())
        self._predictions = {stage: self.predictions() for stage in ("valid", "test")}

    def _check_window(self, stage: str) -> None:
        data = getattr(self.trainer, "datamodule", None)
        served = getattr(data, "window" if stage == "fit" else "eval_window", None)
        if served is None:
            return
        if self.sequence and not served:
            raise OptionError(
                f"{self.arch} reads windows of frames, the data serve single faces: say how many frames, "
                "such as --data.window 16"
            )
        if served and not self.sequence:
            raise OptionError(
                f"{self.arch} reads single faces, the data serve windows of {served} frames: exclude "
                "--data.window and --data.eval_window, or take a model of clips, such as cnn_gru"
            )
        if stage == "fit":
            self.trained_window = int(data.eval_window)  # type: ignore[union-attr]

    def on_fit_start(self) -> None:
        """Refuse to train over frozen layers that are random, once a checkpoint would have been read.

        Raises:
            OptionError: Layers are frozen at their random start.
        """
        frozen = any(not parameter.requires_grad for parameter in self.trunk.parameters())
        if frozen and not self.starts_trained:
            raise OptionError(
                f"{self.arch}: frozen layers would keep their random start: name --model.weights (or --model."
                "backbone_weights imagenet, where there are some), or train all: --model.frozen none"
            )

        self._seed = torch.initial_seed()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let what the step draws, such as dropout, depend on nothing but seed, epoch, place and process."""
        place = (self._seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))

    def on_validation_start(self) -> None:
        """Refuse to measure a head that was never trained, once a checkpoint would have been read.

        Raises:
            OptionError: The head is freshly drawn.
        """
        if self.trainer.state.fn != "fit" and self.drawn_head:
            raise OptionError(
                f"{self.arch}: its head is freshly drawn (new_head), so there is nothing to measure: name "
                "trained weights of these classes without new_head, or --ckpt_path"
            )

    def on_test_start(self) -> None:
        """See ``on_validation_start``."""
        self.on_validation_start()

    def on_fit_end(self) -> None:
        """Note that the network has been trained; leave the seed as it was."""
        self.drawn_head, self.starts_trained = False, True
        torch.manual_seed(self._seed)

    def loss_terms(self, output: AffectOutput, batch: Batch) -> dict[str, torch.Tensor]:
        """The losses of a batch by name, each with its factor; their sum is what training lowers."""
        terms = {task.head: task.loss(getattr(output, task.head), batch) for task in self.tasks}
        if "expression" in terms and "va" in terms:
            terms["va"] = self.va_weight * terms["va"]
        if self.feature_term is not None and self.training:
            pull = self.feature_term(output.features, batch["label"], batch["index"])
            terms[self.feature_loss.name] = self.feature_loss.weight * pull
        return terms

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """One step; logs the loss and, when there are several, its terms."""
        terms = self.loss_terms(*self.predict_batch(batch))
        total = torch.stack(list(terms.values())).sum()
        if len(terms) > 1:
            self.log_dict({f"train/{name}": term for name, term in terms.items()})
        self.log("train/loss", total, prog_bar=True)
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of the validation part."""
        self._evaluate(batch, "valid")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of the test part."""
        self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[torch.Tensor, AffectOutput]:
        """Predict a batch.

        Returns:
            The faces' rows of the index table, shape (N,), and the outputs for them; frames that only fill a
            window up are excluded.
        """
        with torch.autocast(self.device.type, enabled=False):
            output, batch = self.predict_batch(batch)
        keep = batch["mask"]
        kept = {name: value[keep] for name, value in output._asdict().items() if value is not None}
        return batch["index"][keep], AffectOutput(**kept)

    def _evaluate(self, batch: Batch, stage: str) -> None:
        with torch.autocast(self.device.type, enabled=False):  # in float32, as predictions are made
            output, batch = self.predict_batch(batch)
        self._predictions[stage].update(output, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation part."""
        self._conclude("valid")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test part."""
        self._conclude("test")

    def _conclude(self, stage: str) -> None:
        """Score an evaluation as a whole: loss and metrics, the same however it was cut into batches."""
        truth, index = self._evaluated(stage)
        predicted = self._predictions[stage].compute(truth, everywhere=True)
        self._predictions[stage] = self.predictions()
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "gather_unreadable"):
            data.gather_unreadable()
        if len(predicted.row) == 0:
            if self.trainer.sanity_checking:  # of a few batches
                return
            raise none_readable(index)
        self.predicted[stage] = predicted
        values = {"loss": self._loss(predicted, truth), **self.score(predicted)}
        scalars = {f"{stage}/{name}": value.float() for name, value in values.items() if value.ndim == 0}
        self.log_dict(scalars, prog_bar=True)

    def _evaluated(self, stage: str) -> tuple[GroundTruth, FaceIndex]:
        """The ground truth and the index of the faces that the trainer's loader serves."""
        loader = self.trainer.val_dataloaders if stage == "valid" else self.trainer.test_dataloaders
        data = getattr(loader, "dataset", None)
        if not isinstance(data, FaceDataset | ClipDataset):
            raise OptionError(
                "evaluation joins predictions with the ground truth of a FaceDataset or ClipDataset: give "
                "the trainer a data module, or one loader over such a dataset"
            )
        return data.truth, data.index

    def _loss(self, predicted: Predicted, truth: GroundTruth) -> torch.Tensor:
        """The loss over all faces at once, each counted once."""
        heads = {task.head: getattr(predicted, task.head).float() for task in self.tasks}
        output = AffectOutput(predicted.va[:, :0], **heads)
        batch = {"target": truth.target[predicted.row], "va": truth.va[predicted.row]}
        batch["points"] = predicted.true_points
        with alone():  # each process has all faces, on the CPU
            return torch.stack(list(self.loss_terms(output, batch).values())).sum()

    def configure_optimizers(self) -> Any:
        """Build the optimizer over trunk and heads, stepped by iterations."""
        optimizer = self.optimizer.build(self.trunk, self.heads)
        scheduler = self.schedule.build(optimizer, self.trainer.estimated_stepping_batches)
        if scheduler is None:
            return optimizer
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def _check_balanced_once(task: ExpressionTask, imbalance: Imbalance) -> None:
    """Refuse weights by the classes' counts where the data are resampled by class, too."""
    if task.settings.class_weights != "none" and imbalance in BY_CLASS:
        raise OptionError(
            f"model.loss.class_weights {task.settings.class_weights} and data.imbalance {imbalance} both "
            "favor rare classes, together too much: take one of them (--model.loss.class_weights none, or "
            "--data.imbalance as_is)"
        )


def _check_labeled(task: Task, faces: Any) -> None:
    """Refuse to train on faces of which none is labeled for a task; ``faces`` is their table."""
    if isinstance(task, VATask):
        what = " and ".join(task.dimensions)
        known = bool(faces[list(task.dimensions)].notna().any(axis=None))
    elif isinstance(task, LandmarkTask):
        what, known = "landmarks", bool(faces["landmarks"].notna().any())
    else:
        what = "a class"
        targets = (target for target in faces["target"] if target is not None and len(target))
        known = bool(faces["label"].notna().any()) or any(target[0] == target[0] for target in targets)
    if not known:
        raise EmptySplitError(
            f"none of {len(faces):,} training faces is labeled with {what}: nothing would be trained. "
            "affectzoo data stats shows what a data set holds; --model.task chooses what to predict"
        )
