"""The network that every architecture is, in plain torch: a trunk and one linear head per task.

An architecture's class names its trunk and its defaults; ``affectzoo.modules`` has its LightningModule.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import torch
from torch import nn

from affectzoo import store
from affectzoo import weights as weights_files
from affectzoo.errors import LabelError, OptionError, WeightsError
from affectzoo.faces.preprocess import Preprocess, PreprocessChange
from affectzoo.labels import LabelSpace, label_space
from affectzoo.models.layers import init_msra
from affectzoo.sample import AffectOutput, Batch, ClipRule, annotated_points, from_edge_to_edge
from affectzoo.tasks.heads import TaskName, check_task, dimensions, outputs
from affectzoo.weights import Start, Training, WeightsMeta

if TYPE_CHECKING:
    from affectzoo.metrics.predictions import Predicted, Predictions
    from affectzoo.tasks.build import Task


class Trunk(Protocol):
    """A plain network from images to features.

    One that also takes landmarks says how many in an attribute ``landmarks`` and gets them as second
    argument, shape (B, N, 2), -1 to 1 from the input's one edge to the other. One that contains another
    architecture's trunk says so in ``starts_from``: that architecture's name to the part's name, so that its
    weights can start the part. ``start`` says which weights it was built with.
    """

    feature_dim: int

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, feature_dim), of images, shape (B, C, H, W)."""
        ...


class AffectModel(nn.Module):
    """Base of all architectures: a trunk and one linear head per task, what a weights file holds.

    Attributes:
        arch: Name in the registry.
        default_preprocess: How the architecture's paper prepares faces.
        default_feature_loss: The loss on features that its paper adds in training: the fields of
            ``affectzoo.losses.features.FeatureLoss``.
        trunk: From faces to features.
        heads: From features to each task's outputs.
        arguments: The architecture's own arguments, with which it was built.
        task_name: What it predicts.
        preprocess: How its faces are prepared.
        landmarks: How many landmarks it takes with each face, 0 or 68.
        data_landmarks: How many landmarks its data have with each face: those that it takes, or learns.
        clip_rule: How frames' class scores become their clip's.
        meta: What its weights say of themselves, where it was loaded from some.
        start: The weights that its values came from; ``None`` where all are fresh.
        source: Their file, where it was one of ours.
        starts_trained: Whether its trunk has trained values.
        drawn_head: Whether its head is freshly drawn over a trained trunk, and still to be trained.
        sequence: Whether it reads windows of frames rather than single faces.
        trained_window: Frames per window that a training here evaluated with.
    """

    arch: ClassVar[str]
    default_preprocess: ClassVar[Preprocess]
    default_feature_loss: ClassVar[Mapping[str, Any]] = {}
    sequence: ClassVar[bool] = False

    def __init__(
        self,
        trunk: nn.Module,
        arguments: dict[str, Any],
        *,
        task: TaskName = "expression",
        labels: str | list[str | int | float | bool | None] | None = None,
        weights: str | None = None,
        new_head: bool = False,
        preprocess: PreprocessChange | Preprocess | None = None,
        clip_rule: ClipRule = "probabilities",
    ) -> None:
        """Build the network, untrained unless ``weights`` are named.

        Args:
            trunk: From faces to features; has ``feature_dim``.
            arguments: What the architecture's own arguments were, to build it again.
            task: What to predict: expression, va (valence and arousal), valence, arousal, multitask
                (all three), or landmarks.
            labels: A label space's name (ferplus8, rafdb7, ...) or class names in order, for expression
                and multitask.
            weights: Start from these: a tag of this architecture, a file, a run.
            new_head: Take only the trunk from ``weights``, for other labels or another task. A recurrent
                model then also takes its backbone's weights.
            preprocess: How faces are prepared, or single fields to change of it; by default as the
                architecture's paper does, or as ``weights`` say.
            clip_rule: How the class scores of frames become their clip's, where data have clips: mean of
                the logits or of the probabilities, or vote.

        Raises:
            LabelError: Classes are missing for a task that needs them, or given for one that has none.
            OptionError: It would take the landmarks that it is to predict.
            WeightsError: The weights are missing, damaged, or of something else.
        """
        super().__init__()
        self._labels = None if labels is None else label_space(labels)
        check_task(task, self.labels)
        self.task_name: TaskName = task
        self.arguments = arguments
        default = self.preprocess_for(arguments)
        self.preprocess = Preprocess.merged(default, None, preprocess)
        self.clip_rule: ClipRule = clip_rule
        self.trunk = trunk
        dim = cast(Trunk, trunk).feature_dim
        sizes = outputs(task, self.labels)
        self.heads = nn.ModuleDict({name: nn.Linear(dim, size) for name, size in sizes.items()})
        init_msra(self.heads)
        self.landmarks: int = getattr(trunk, "landmarks", 0)
        if self.landmarks and "points" in sizes:
            raise OptionError(
                f"{self.arch} takes landmarks: it cannot learn to predict them (landmarks=False)"
            )
        self.data_landmarks = self.landmarks or sizes.get("points", 0) // 2
        self.meta: WeightsMeta | None = None
        self.start: Start | None = getattr(trunk, "start", None)
        self.source: Path | None = None
        self.starts_trained = self.start is not None
        self.drawn_head = new_head and weights is not None
        self.trained_window = 0
        if weights is not None:
            location = store.locate(weights, self.arch)
            store.verify(location)
            meta = self.load_weights(
                location.path, new_head=new_head, name=store.public_name(weights, self.arch)
            )
            self.preprocess = Preprocess.merged(default, meta.preprocess, preprocess)

    @classmethod
    def preprocess_for(cls, arguments: Mapping[str, Any]) -> Preprocess:
        """Say how faces are prepared for a network of these arguments, unless weights or users do."""
        return cls.default_preprocess

    @classmethod
    def own_arguments(cls) -> set[str]:
        """The arguments that only this architecture has, and that say how its network is built."""
        common = inspect.signature(AffectModel.__init__).parameters
        classes = cls.__mro__[: cls.__mro__.index(AffectModel)]
        every = {name for c in classes for name in inspect.signature(c).parameters}
        return every - set(common) - {"common", "backbone_weights"}

    @property
    def labels(self) -> LabelSpace | None:
        """Its classes, in the order of the scores; ``None`` when it predicts no expression.

        They may be renamed, in one language or another: predictions and saved weights have the new names.
        """
        return self._labels

    @labels.setter
    def labels(self, given: LabelSpace | None) -> None:
        named = None if given is None else label_space(given)
        scored = outputs(self.task_name, self._labels).get("expression", 0)
        if len(named or ()) != scored:
            raise LabelError(
                f"{self.arch} scores {scored} classes, {len(named or ())} names are given: for other classes "
                "it needs a new head, affectzoo.load(..., labels=[...])"
            )
        self._labels = named

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return next(self.heads.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The kind of its numbers; faces are brought to it."""
        return next(self.heads.parameters()).dtype

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> AffectOutput:
        """Features and each head's outputs for prepared faces.

        Args:
            image: Shape (B, C, size, size), of any floating type.
            landmarks: Shape (B, N, 2), pixels of ``image``; for models that take landmarks.

        Raises:
            OptionError: The landmarks are missing, or the faces are no floating numbers or of another shape.
        """
        return self._output(self.trunk(*self._inputs(image, landmarks)))

    def _inputs(self, image: torch.Tensor, landmarks: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Check faces and landmarks, and bring them to what the trunk takes."""
        if self.landmarks and landmarks is None:
            raise OptionError(f"{self.arch} with landmarks needs {self.landmarks} points for each face")
        if not image.is_floating_point():
            raise OptionError(f"{self.arch} takes faces as model.preprocess makes them, not {image.dtype}")
        if image.ndim not in ((4, 5) if self.sequence else (4,)):
            reads = "clips, shape (B, T, C, H, W)" if self.sequence else "single faces, shape (B, C, H, W)"
            raise OptionError(f"{self.arch} reads {reads}, not {tuple(image.shape)}")
        image = image.to(self.dtype)
        if image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        if not self.landmarks or landmarks is None:
            return (image,)
        return image, from_edge_to_edge(landmarks, image).to(self.dtype)

    def _output(self, features: torch.Tensor) -> AffectOutput:
        return AffectOutput(features, **{name: head(features) for name, head in self.heads.items()})

    def go_on(
        self,
        image: torch.Tensor,
        tracks: Sequence[Hashable],
        states: dict[Hashable, Any],
        landmarks: torch.Tensor | None = None,
    ) -> AffectOutput:
        """Predict for frames as they come: a recurrent model goes on for each track where it was.

        However a clip is cut into calls, the outputs are those of the whole clip at once.

        Args:
            image: Shape (B, C, size, size): faces in the order of time.
            tracks: Whose face each is, B of them.
            states: What the model keeps of each track, which is brought up to date; empty at first.
            landmarks: Shape (B, N, 2), pixels of ``image``; for models that take landmarks.

        Returns:
            Of each face, with one leading dimension.

        Raises:
            OptionError: As ``forward``.
        """
        if not self.sequence:
            return cast(AffectOutput, self(image, landmarks))
        inputs = self._inputs(image, landmarks)
        return self._output(cast(Any, self.trunk).go_on(tracks, states, *inputs))

    def step(
        self, image: torch.Tensor, state: torch.Tensor, landmarks: torch.Tensor | None = None
    ) -> tuple[AffectOutput, torch.Tensor]:
        """Predict for the next frame of each of several tracks, as ``go_on``, with states as one tensor.

        Args:
            image: Shape (B, C, size, size), one face of each track.
            state: Shape (B, rows, units), see ``state_shape`` of a recurrent model's trunk; zeros at first.
            landmarks: Shape (B, N, 2), pixels of ``image``; for models that take landmarks.

        Returns:
            Of each face, with one leading dimension, and the next states.

        Raises:
            OptionError: As ``forward``.
        """
        features, after = cast(Any, self.trunk).step(state, *self._inputs(image, landmarks))
        return self._output(features), after

    def logits(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """All heads' outputs as one tensor, for tools that want one.

        Such as captum's attributions; ``as_logits`` is for those that want a module, such as
        ``torch.jit.trace(model.as_logits(), faces)``. Arguments and errors are those of ``forward``.

        Returns:
            Shape (B, outputs): class scores before softmax, valence and arousal, landmarks, as far as
            predicted.
        """
        output = self(image, landmarks)
        return torch.cat([getattr(output, name) for name in self.heads], dim=-1)

    def as_logits(self) -> nn.Module:
        """View this model as a module from faces to ``logits``, for tracing, export and Grad-CAM."""
        return _Logits(self)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Which of valence and arousal it predicts, in the order of the outputs."""
        return dimensions(self.task_name)

    @property
    def window(self) -> int:
        """Frames per window in the evaluations of its training; 0 for single faces, or if not known."""
        return self.trained_window or (0 if self.meta is None else self.meta.eval_window)

    # By the Hub's conventions; the package does the work, which knows more rooms than this one.

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None, **options: Any) -> AffectModel:
        """Load a trained model as ``affectzoo.load`` does, after the same checks.

        >>> model = affectzoo.AffectModel.from_pretrained("OWNER/NAME", revision="v1")

        Args:
            name: A repository OWNER/NAME on the Hub, a folder, or whatever ``affectzoo.load`` takes. A path
                that exists goes before a repository of that name.
            revision: The repository's branch, tag or commit.
            **options: Such as ``labels`` for a new head, see ``affectzoo.load``.

        Raises:
            UnknownNameError: Nothing of that name.
            WeightsError: The weights are missing, damaged, altered, or of another architecture than this.
        """
        import affectzoo

        model = affectzoo.load(store.pretrained_name(name, revision), **options)
        arch = getattr(cls, "arch", model.arch)
        if model.arch != arch:
            raise WeightsError(f"{name}: weights of {model.arch}, not of {arch}")
        return model

    def save_pretrained(self, folder: str | Path, *, half: bool = False) -> Path:
        """Save this model as a folder, see ``affectzoo.save_pretrained``."""
        import affectzoo

        return affectzoo.save_pretrained(self, folder, half=half)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Publish this model on the Hub, see ``affectzoo.push_to_hub``."""
        import affectzoo

        return affectzoo.push_to_hub(self, repo_id, **options)

    @property
    def network(self) -> AffectModel:
        """The network: this model, as of wrappers that hold one."""
        return self

    # Weights

    def network_state(self) -> dict[str, torch.Tensor]:
        """The tensors that a weights file holds, those of trunk and heads, by name."""
        state = self.state_dict()
        return {name: state[name] for name in state if name.startswith(("trunk.", "heads."))}

    def describe(self) -> WeightsMeta:
        """This model's metadata for a weights file, without training details."""
        names = () if self.labels is None else self.labels.names
        if self.meta is not None:
            return replace(self.meta, labels=names, preprocess=self.preprocess, arguments=self.arguments)
        return WeightsMeta(
            self.arch,
            names,
            self.preprocess,
            self.arguments,
            task=self.task_name,
            sequence=self.sequence,
            eval_window=self.window,
            training=Training(started_from=None if self.start is None else self.start.name),
            license={} if self.start is None else self.start.license,
        )

    def load_weights(self, path: Path, *, new_head: bool = False, name: str | None = None) -> WeightsMeta:
        """Load a weights file, strictly: every tensor, by name and shape.

        Args:
            path: Written by affectzoo, for this architecture.
            new_head: Load the trunk alone and keep this model's heads. The file may then also be of the
                architecture that is a part of this one's trunk (a recurrent model's backbone), whose last
                layers are excluded where this one has none such.
            name: What the weights are called elsewhere; by default the path's last part.

        Returns:
            The file's metadata.

        Raises:
            WeightsError: The file is of another architecture, damaged, or its tensors do not fit.
            LabelError: Its classes are not this model's, and ``new_head`` is off.
        """
        meta = weights_files.read_meta(path)
        self.check_meta(meta, str(path), new_head=new_head)
        tensors = weights_files.read_tensors(path)
        own = self.network_state()
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
        faults += [
            f"{name} holds {str(tensors[name].dtype).removeprefix('torch.')}"
            for name in own
            if name in tensors and tensors[name].is_floating_point() != own[name].is_floating_point()
        ]
        if faults:
            raise WeightsError(f"{path}: tensors do not fit {self.arch}: {'; '.join(faults[:5])}")
        empty = any(tensor.is_meta for tensor in own.values())
        self.load_state_dict(tensors, strict=False, assign=empty)  # names and shapes were compared above
        self.start, self.source = meta.as_start(name or store.public_name(path)), path
        self.starts_trained = True
        self.meta = None if new_head else meta
        return meta

    @property
    def _starts_from(self) -> Mapping[str, str]:
        return getattr(self.trunk, "starts_from", {})

    def check_meta(self, meta: WeightsMeta, where: str, *, new_head: bool = False) -> None:
        """Refuse weights of something else.

        Args:
            meta: The weights' metadata.
            where: Whose it is, for errors.
            new_head: Whether only the trunk is wanted.

        Raises:
            WeightsError: Of another architecture or task.
            LabelError: Of other classes.
        """
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

    # Evaluation

    @property
    def tasks(self) -> list[Task]:
        """What the model predicts, one task per head."""
        from affectzoo.tasks.build import build_tasks

        return build_tasks(self.task_name, self.labels)

    def predict_batch(self, batch: Batch) -> tuple[AffectOutput, Batch]:
        """Features and outputs of a data module's batch; clips come back as their frames in a row.

        Where the model predicts landmarks, the batch that comes back has the annotated ones as ``points``.

        Args:
            batch: Faces, ``image`` of shape (B, C, H, W), or windows of clips, (B, T, C, H, W).

        Returns:
            Outputs and batch, both with one leading dimension, B or B * T.
        """
        output: AffectOutput = self(batch["image"], batch.get("landmarks") if self.landmarks else None)
        if output.points is not None:
            batch = batch | {"points": annotated_points(batch)}
        if batch["image"].ndim == 4:
            return output, batch
        per_frame = ("label", "target", "va", "index", "clip", "mask", "points")
        frames = {key: batch[key].flatten(0, 1) for key in per_frame if key in batch}
        told = {name: value.flatten(0, 1) for name, value in output._asdict().items() if value is not None}
        return AffectOutput(**told), frames

    def predictions(self) -> Predictions:
        """What gathers this model's predictions over an evaluation."""
        from affectzoo.metrics.predictions import Predictions

        sizes = outputs(self.task_name, self.labels)
        return Predictions(*(sizes.get(head, 0) for head in ("expression", "va", "points")))

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


class _Logits(nn.Module):
    def __init__(self, model: AffectModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        return self.model.logits(image, landmarks)
