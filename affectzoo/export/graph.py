"""What an exported file computes: from the pixels of cut faces to predictions, in torch."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from affectzoo.export.described import Arrays, pixels_of
from affectzoo.models.inference import inference
from affectzoo.zoo import golden

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel

Tensors = dict[str, torch.Tensor]


class Graph(nn.Module):
    """A model from ``Preprocess.face``'s pixels to named predictions, normalization included.

    A recurrent model's is one step: a frame each of several tracks, with their states in and out.

    Attributes:
        inputs: Names of its inputs.
        outputs: Names of its outputs.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: AffectModel) -> None:
        """Copy a model, in evaluation mode and float32, to the CPU.

        Args:
            model: In any mode, on any device.
        """
        super().__init__()
        self.model = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        prepared = model.preprocess
        self.register_buffer("mean", torch.tensor(prepared.mean).view(-1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(prepared.std).view(-1, 1, 1) * 255)
        self.cut = (prepared.face_size - prepared.size) // 2
        self.inputs = ["pixels"]
        self.inputs += ["landmarks"] if model.landmarks else []
        self.inputs += ["state"] if model.sequence else []
        self.outputs = [] if model.labels is None else ["logits", "probabilities"]
        self.outputs += model.dimensions
        self.outputs += ["points"] if "points" in model.heads else []
        self.outputs += ["next_state"] if model.sequence else []

    def forward(
        self, pixels: torch.Tensor, landmarks: torch.Tensor | None = None, state: torch.Tensor | None = None
    ) -> Tensors:
        """Predict.

        Args:
            pixels: Shape (N, channels, face_size, face_size), uint8.
            landmarks: Shape (N, 68, 2), pixels of the face.
            state: Shape (N, rows, units), zeros at first.

        Returns:
            See ``affectzoo.export.onnx_model.OnnxModel.run``.
        """
        end = self.cut + self.model.preprocess.size
        face = (pixels[..., self.cut : end, self.cut : end].float() - self.mean) / self.std
        points = None if landmarks is None else landmarks - self.cut
        found: Tensors = {}
        if state is None:
            output = self.model(face, points)
        else:
            output, found["next_state"] = self.model.step(face, state, points)
        if output.expression is not None:
            found |= {"logits": output.expression, "probabilities": output.expression.softmax(dim=1)}
        if output.va is not None:
            found |= dict(zip(self.model.dimensions, output.va.clamp(-1, 1).unbind(dim=1), strict=True))
        if output.points is not None:
            found["points"] = output.points
        return {name: found[name] for name in self.outputs}

    def example(self, faces: int = 2) -> Tensors:
        """Inputs of the right kind and shape, for tracing."""
        prepared = self.model.preprocess
        shape = (faces, prepared.channels, prepared.face_size, prepared.face_size)
        found = {"pixels": torch.randint(256, shape, dtype=torch.uint8)}
        if self.model.landmarks:
            found["landmarks"] = torch.rand(faces, self.model.landmarks, 2) * prepared.face_size
        if self.model.sequence:
            found["state"] = torch.zeros(faces, *cast(Any, self.model.trunk).state_shape)
        return found


def golden_frames(model: AffectModel) -> tuple[list[Arrays], list[Arrays]]:
    """The golden face as an exported file takes it, and a model's own answers, frame by frame.

    Args:
        model: In any mode; the answers are those of its usual way, with its own preparation of faces.

    Returns:
        Inputs without states, and ``logits``, ``valence``, ``arousal`` and ``points`` as far as predicted;
        one frame, of recurrent models several.
    """
    told = {name: tensor.numpy() for name, tensor in golden.face_of(model).items()}
    x0, y0, x1, y1 = told["box"].tolist()
    box = (x0, y0, x1, y1)
    prepared = model.preprocess
    inputs: list[Arrays] = []
    for frame in told["picture"]:
        inputs.append({"pixels": pixels_of(prepared.face(frame, box))[None]})
        if model.landmarks:
            marks = prepared.points(told["landmarks"], frame, box)
            inputs[-1]["landmarks"] = marks[None].astype(np.float32)
    images = torch.stack([prepared(frame, box) for frame in told["picture"]])
    points = None
    if model.landmarks:
        cut = [prepared.input_points(told["landmarks"], frame, box) for frame in told["picture"]]
        points = torch.from_numpy(np.stack(cut))
    with inference(model):
        if model.sequence:
            output = model(images[None], None if points is None else points[None])
        else:
            output = model(images, points)
    answers: list[Arrays] = []
    for row in range(len(inputs)):
        answers.append({})
        if output.expression is not None:
            answers[-1]["logits"] = output.expression.reshape(len(inputs), -1)[row, None].numpy()
        if output.va is not None:
            values = output.va.reshape(len(inputs), -1)[row].clamp(-1, 1).numpy()
            answers[-1] |= {name: values[i : i + 1] for i, name in enumerate(model.dimensions)}
        if output.points is not None:
            answers[-1]["points"] = output.points.reshape(len(inputs), -1)[row, None].numpy()
    return inputs, answers
