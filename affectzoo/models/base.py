"""The LightningModule that every architecture is: a trunk, a head per task, one step.

An architecture's module names its trunk and its defaults; nothing of the step is written twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast

import lightning.pytorch as pl
import torch
from torch import nn

from affectzoo import store
from affectzoo import weights as weights_files
from affectzoo.errors import LabelError, OptionError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import label_space
from affectzoo.losses.features import FeatureLoss
from affectzoo.metrics.predictions import ClipRule, Predicted, Predictions
from affectzoo.models.freezing import Freeze, freeze, frozen_batch_norm_to_eval
from affectzoo.models.layers import init_msra
from affectzoo.models.optim import OptimizerSettings, Schedule
from affectzoo.sample import AffectOutput, Batch
from affectzoo.tasks import Task, TaskName, build_tasks
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask
from affectzoo.tasks.va import VALoss
from affectzoo.weights import WeightsMeta


class Trunk(Protocol):
    """A plain network from pictures to features.

    One that also takes landmarks says how many in an attribute ``landmarks`` and gets them as second
    argument, shape (B, N, 2), -1 to 1 from the input's one edge to the other. One that contains another
    architecture's trunk says so in ``starts_from``: that architecture's name to the part's name, so that its
    weights can start the part. ``pretrained`` says that it was built with ImageNet weights.
    """

    feature_dim: int

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, feature_dim), of pictures, shape (B, C, H, W)."""
        ...


class AffectNetwork(nn.Module):
    """A trunk and one linear head per task: what is published, nothing more."""

    def __init__(self, trunk: nn.Module, heads: dict[str, int]) -> None:
        """Put heads on a trunk.

        Args:
            trunk: Has ``feature_dim``.
            heads: Outputs of each head by task name.
        """
        super().__init__()
        self.trunk = trunk
        dim = cast(Trunk, trunk).feature_dim
        self.heads = nn.ModuleDict({name: nn.Linear(dim, size) for name, size in heads.items()})
        self.landmarks: int = getattr(trunk, "landmarks", 0)
        init_msra(self.heads)

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> AffectOutput:
        """Features and each head's outputs.

        Args:
            image: Shape (B, C, H, W).
            landmarks: Shape (B, N, 2), pixels of ``image``; only for a trunk that takes them.
        """
        if self.landmarks and landmarks is not None:
            edges = image.new_tensor((image.shape[-1], image.shape[-2]))
            features = self.trunk(image, (landmarks * 2 + 1) / edges - 1)  # whole numbers: pixel centres
        else:
            features = self.trunk(image)
        return AffectOutput(features, **{name: head(features) for name, head in self.heads.items()})


class AffectModel(pl.LightningModule):
    """Base of all architectures.

    Attributes:
        arch: Name in the registry.
        default_preprocess: How the architecture's paper prepares faces.
        default_feature_loss: The loss on features that its paper adds.
        preprocess: How this model's faces are prepared.
        labels: This model's classes; ``None`` when it predicts no expression.
        landmarks: How many landmarks it takes with each face, 0 or 68.
        meta: What its weights say of themselves, where it was loaded from some.
        predicted: The predictions of the latest evaluation by stage, ``valid`` and ``test``.
    """

    arch: ClassVar[str]
    default_preprocess: ClassVar[Preprocess]
    default_feature_loss: ClassVar[FeatureLoss] = FeatureLoss()

    def __init__(
        self,
        trunk: nn.Module,
        arguments: dict[str, Any],
        *,
        task: TaskName = "expression",
        labels: str | list[str | int | float | bool | None] | None = None,
        weights: str | None = None,
        new_head: bool = False,
        frozen: Freeze = "none",
        preprocess: Preprocess | None = None,
        loss: ExpressionLoss = ExpressionLoss(),
        va_loss: VALoss = VALoss(),
        va_weight: float = 1.0,
        clip_rule: ClipRule = "probabilities",
        feature_loss: FeatureLoss | None = None,
        optimizer: OptimizerSettings = OptimizerSettings(),
        schedule: Schedule = Schedule(),
    ) -> None:
        """Build the model, untrained unless ``weights`` are named.

        Args:
            trunk: From pictures to features.
            arguments: What the architecture's own arguments were, to build it again.
            task: What to predict: expression, va (valence and arousal), valence, arousal, or multitask
                (all three).
            labels: A label space's name (ferplus8, rafdb7, ...) or class names in order, for expression
                and multitask.
            weights: Start from these: a tag of this architecture, a file, a run.
            new_head: Take only the trunk from ``weights``, for other labels or another task. A recurrent
                model then also takes its backbone's weights.
            frozen: What is not trained: none, trunk, or all of the trunk but this share of its last layers.
            preprocess: How faces are prepared; by default as the architecture's paper does, or as
                ``weights`` say.
            loss: How class scores are judged.
            va_loss: How valence and arousal are judged.
            va_weight: Factor of the valence/arousal loss beside the expression's.
            clip_rule: How the class scores of frames become their clip's, where data have clips: mean of
                the logits or of the probabilities, or vote.
            feature_loss: A loss on the features; by default as the architecture's paper does.
            optimizer: Optimiser and rates.
            schedule: How the learning rate moves.
        """
        super().__init__()
        self.labels = None if labels is None else label_space(labels)
        self.task_name: TaskName = task
        self.arguments = arguments
        self.preprocess = preprocess or self.default_preprocess
        if feature_loss is None:
            feature_loss = FeatureLoss() if self.labels is None else self.default_feature_loss
        self.feature_loss = feature_loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.va_weight = va_weight
        self.clip_rule: ClipRule = clip_rule
        with torch.device("cpu"):  # also where the network is built without memory, see ``zoo.load``
            self._tasks = nn.ModuleList(build_tasks(task, self.labels, loss, va_loss))
        self.network = AffectNetwork(trunk, {part.head: part.outputs for part in self.tasks})
        self.landmarks = self.network.landmarks
        freeze(self.network.trunk, frozen)
        if self.feature_loss.name != "none" and self.labels is None:
            raise LabelError(f"feature_loss {self.feature_loss.name} needs classes, task {task} has none")
        dim = cast(Trunk, trunk).feature_dim
        with torch.device("cpu"):
            self.feature_term = self.feature_loss.build(len(self.labels or ()), dim)
        self.meta: WeightsMeta | None = None
        self._starts_trained: bool = getattr(trunk, "pretrained", False)
        self.predicted: dict[str, Predicted] = {}
        self._predictions: dict[str, Predictions] = {}
        if weights is not None:
            location = store.locate(weights, self.arch)
            store.verify(location)
            meta = self.load_weights(location.path, new_head=new_head)
            if preprocess is None:
                self.preprocess = meta.preprocess

    @classmethod
    def own_arguments(cls) -> set[str]:
        """The arguments that only this architecture has, and that say how its network is built."""
        common = inspect.signature(AffectModel.__init__).parameters
        classes = cls.__mro__[: cls.__mro__.index(AffectModel)]
        every = {name for c in classes for name in inspect.signature(c).parameters}
        return every - set(common) - {"common", "pretrained"}

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> AffectOutput:
        """Features and outputs of prepared faces.

        Args:
            image: Shape (B, C, size, size).
            landmarks: Shape (B, N, 2), pixels of ``image``; for models that take landmarks.
        """
        if self.landmarks and landmarks is None:
            raise OptionError(f"{self.arch} with landmarks needs {self.landmarks} points for each face")
        if image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        output: AffectOutput = self.network(image, landmarks)
        return output

    @property
    def tasks(self) -> list[Task]:
        """What the model predicts, one task per head."""
        return cast(list[Task], list(self._tasks))

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; batch norm of frozen layers keeps its statistics in both."""
        super().train(mode)
        if mode:
            frozen_batch_norm_to_eval(self.network.trunk)
        return self

    # Weights

    def describe(self) -> WeightsMeta:
        """What weights of this model would say of themselves; training facts are not known here."""
        if self.meta is not None:
            return replace(self.meta, preprocess=self.preprocess, arguments=self.arguments)
        names = () if self.labels is None else self.labels.names
        return WeightsMeta(self.arch, names, self.preprocess, self.arguments, task=self.task_name)

    def load_weights(self, path: Path, *, new_head: bool = False) -> WeightsMeta:
        """Load a weights file, strictly: every tensor, by name and shape.

        Args:
            path: Written by affectzoo, for this architecture.
            new_head: Load the trunk alone and keep this model's heads. The file may then also be of the
                architecture that is a part of this one's trunk (a recurrent model's backbone), whose last
                layers are left out where this one has none such.

        Returns:
            What the file says of itself.

        Raises:
            WeightsError: The file is of another architecture, damaged, or its tensors do not fit.
            LabelError: Its classes are not this model's, and ``new_head`` is off.
        """
        meta = weights_files.read_meta(path)
        self._check(meta, str(path), new_head=new_head)
        tensors = weights_files.read_tensors(path)
        own = self.network.state_dict()
        if new_head:
            part = "" if meta.arch == self.arch else f"{self._starts_from[meta.arch]}."
            own = {name: tensor for name, tensor in own.items() if name.startswith(f"trunk.{part}")}
            tensors = {
                name.replace("trunk.", f"trunk.{part}", 1): tensor
                for name, tensor in tensors.items()
                if name.startswith("trunk.")
            }
            if part:
                tensors = {name: tensor for name, tensor in tensors.items() if name in own}
        faults = [f"{name} is missing" for name in own if name not in tensors]
        faults += [f"{name} is unknown" for name in tensors if name not in own]
        faults += [
            f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
            for name in own
            if name in tensors and tensors[name].shape != own[name].shape
        ]
        if faults:
            raise WeightsError(f"{path}: tensors do not fit {self.arch}: {'; '.join(faults[:5])}")
        empty = any(tensor.is_meta for tensor in own.values())
        self.network.load_state_dict(tensors, strict=not new_head, assign=empty)
        self._starts_trained = True
        self.meta = None if new_head else meta
        return meta

    # Training

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note in a checkpoint which model it is of."""
        known = replace(self.describe(), training={}, metrics=(), licence={})  # not of what it started from
        checkpoint["affectzoo"] = known.to_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another architecture or label space.

        Raises:
            WeightsError: Of another architecture, or not of affectzoo.
            LabelError: For other classes.
            OptionError: Of a training of another length, whose schedule ends where it ended.
        """
        if "affectzoo" not in checkpoint:
            raise WeightsError("the checkpoint was not written by affectzoo")
        meta = WeightsMeta.from_dict(checkpoint["affectzoo"], "the checkpoint")
        self._check(meta, "the checkpoint")
        self._check_schedule(checkpoint)

    def _check_schedule(self, checkpoint: Mapping[str, Any]) -> None:
        if self._trainer is None or self.trainer.state.fn != "fit" or self.schedule.name != "one_cycle":
            return
        here = self.trainer.estimated_stepping_batches
        for schedule in checkpoint.get("lr_schedulers", ()):
            if schedule.get("total_steps", here) != here:
                raise OptionError(
                    f"the checkpoint's schedule has {schedule['total_steps']} steps, this training {here}: "
                    "go on with the same epochs, data and batch size, or train anew with --model.weights"
                )

    @property
    def _starts_from(self) -> Mapping[str, str]:
        return getattr(self.network.trunk, "starts_from", {})

    def _check(self, meta: WeightsMeta, where: str, *, new_head: bool = False) -> None:
        if new_head and meta.arch in (self.arch, *self._starts_from):
            return
        if meta.arch != self.arch:
            hint = " (its trunk can start from them with new_head)" if meta.arch in self._starts_from else ""
            raise WeightsError(f"{where}: weights of {meta.arch}, not of {self.arch}{hint}")
        if meta.task != self.task_name:
            raise WeightsError(
                f"{where}: weights for task {meta.task}, but the model is for {self.task_name}"
            )
        if self.labels is not None and meta.labels != self.labels.names:
            raise LabelError(
                f"{where}: weights for {meta.label_space}, but the model is for {self.labels}. "
                "Give the model the weights' labels, or keep its own over their trunk with new_head"
            )

    def setup(self, stage: str) -> None:
        """Check that data and model speak the same labels; take class counts from the training part.

        Raises:
            LabelError: They do not.
            OptionError: Layers are frozen at their random start.
        """
        frozen = any(not parameter.requires_grad for parameter in self.network.trunk.parameters())
        if stage == "fit" and frozen and not self._starts_trained and self.trainer.ckpt_path is None:
            raise OptionError(
                f"{self.arch}: frozen layers would keep their random start: name --model.weights (or --model."
                "pretrained true, where there are ImageNet weights), or train all: --model.frozen none"
            )
        self.network.to(memory_format=torch.channels_last)
        data = getattr(self.trainer, "datamodule", None)
        spoken = getattr(getattr(data, "index", None), "labels", None)
        if spoken is not None and self.labels is not None and not spoken.same_classes(self.labels):
            raise LabelError(
                f"the data speak {spoken}, the model {self.labels}; give the data module labels=model.labels"
            )
        if stage == "fit" and data is not None and hasattr(data, "train_class_counts"):
            for task in self.tasks:
                if isinstance(task, ExpressionTask):
                    task.use_class_counts(data.train_class_counts())
        self._predictions = {stage: self.predictions() for stage in ("valid", "test")}

    def loss_terms(self, output: AffectOutput, batch: Batch) -> dict[str, torch.Tensor]:
        """The losses of a batch by name, each with its factor; their sum is what training lowers."""
        terms = {task.head: task.loss(getattr(output, task.head), batch) for task in self.tasks}
        if "expression" in terms and "va" in terms:
            terms["va"] = self.va_weight * terms["va"]
        if self.feature_term is not None and self.training:
            pull = self.feature_term(output.features, batch["label"], batch["index"])
            terms[self.feature_loss.name] = self.feature_loss.weight * pull
        return terms

    def predict_batch(self, batch: Batch) -> tuple[AffectOutput, Batch]:
        """Features and outputs of a data module's batch; clips come back as their frames in a row.

        Args:
            batch: Faces, ``image`` of shape (B, C, H, W), or windows of clips, (B, T, C, H, W).

        Returns:
            Outputs and batch, both with one leading dimension, B or B * T.
        """
        output: AffectOutput = self(batch["image"], batch.get("landmarks") if self.landmarks else None)
        if batch["image"].ndim == 4:
            return output, batch
        per_frame = ("label", "target", "va", "index", "clip", "mask")
        frames = {key: batch[key].flatten(0, 1) for key in per_frame}
        flat = AffectOutput(
            output.features.flatten(0, 1),
            None if output.expression is None else output.expression.flatten(0, 1),
            None if output.va is None else output.va.flatten(0, 1),
        )
        return flat, frames

    def predictions(self) -> Predictions:
        """What gathers this model's predictions over an evaluation."""
        outputs = {task.head: task.outputs for task in self.tasks}
        return Predictions(outputs.get("expression", 0), outputs.get("va", 0))

    def score(self, predicted: Predicted) -> dict[str, torch.Tensor]:
        """The metrics of each task by name and, where there are clips, per clip as ``clip_<name>``."""
        values: dict[str, torch.Tensor] = {}
        for task in self.tasks:
            values |= task.score(predicted)
        if (predicted.clip >= 0).any():
            clips = predicted.by_clip(self.clip_rule)
            for task in self.tasks:
                values |= {f"clip_{name}": value for name, value in task.score(clips).items()}
        return values

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

    def _evaluate(self, batch: Batch, stage: str) -> None:
        with torch.autocast(self.device.type, enabled=False):  # in float32, as predictions are made
            output, batch = self.predict_batch(batch)
        terms = self.loss_terms(output, batch)
        size = int(batch["mask"].sum()) if "mask" in batch else len(batch["label"])
        total = torch.stack(list(terms.values())).sum()
        self.log(f"{stage}/loss", total, batch_size=size, sync_dist=True)
        self._predictions[stage].to(self.device).update(output, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation part."""
        self._conclude("valid")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test part."""
        self._conclude("test")

    def _conclude(self, stage: str) -> None:
        self.predicted[stage] = self._predictions[stage].compute()
        self._predictions[stage].reset()
        values = self.score(self.predicted[stage])
        scalars = {f"{stage}/{name}": value.float() for name, value in values.items() if value.ndim == 0}
        self.log_dict(scalars, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The optimiser over trunk and heads, stepped by iterations."""
        optimizer = self.optimizer.build(self.network.trunk, self.network.heads)
        scheduler = self.schedule.build(optimizer, self.trainer.estimated_stepping_batches)
        if scheduler is None:
            return optimizer
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
