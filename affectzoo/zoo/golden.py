"""The golden face: an image with the answers that a set of weights gives for it, inside the weights file.

Loading repeats the answers once per file and machine. What goes wrong most often with weights, another scale
of pixels, another crop, other colors, an altered layer, then fails loudly instead of giving wrong results
silently. ``AFFECTZOO_SELF_TEST=0`` switches the test off.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from affectzoo import __version__
from affectzoo.errors import WeightsError
from affectzoo.files.fetch import leave, mark
from affectzoo.files.images import read_image
from affectzoo.models.inference import inference
from affectzoo.store import ASSETS
from affectzoo.weights import GOLDEN

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel

FACE = ASSETS / "demo" / "rendered" / "happiness"
FRAMES = 4
LONGEST = 1024
"""Pixels of a golden image's edge, at most."""

TOLERANCE = 0.005
"""Greatest difference, absolute and relative: kernels of processors and libraries differ by much less,
mistakes in preparing a face by much more."""


def make(model: AffectModel) -> dict[str, torch.Tensor]:
    """A face and a model's answers, as tensors for its weights file.

    Args:
        model: With its final weights.
    """
    golden = face_of(model)
    return {f"{GOLDEN}{name}": tensor for name, tensor in (golden | _answers(model, golden)).items()}


def face_of(model: AffectModel) -> dict[str, torch.Tensor]:
    """The golden face alone: ``picture``, (frames, H, W, 3) uint8, ``box`` and, if taken, ``landmarks``.

    The face is rendered, no person's. Models of clips get some frames, in which it moves.

    Args:
        model: What it shall be for.
    """
    face = read_image(sorted(FACE.iterdir())[0])
    count = FRAMES if model.sequence else 1
    frames = np.stack([np.roll(face, 2 * number, axis=1) for number in range(count)])
    height, width = face.shape[:2]
    golden = {
        "picture": torch.from_numpy(frames),
        "box": torch.tensor([0.1 * width, 0.15 * height, 0.85 * width, 0.9 * height], device="cpu"),
    }
    if model.landmarks:
        angle = torch.linspace(0, 2 * torch.pi, model.landmarks, device="cpu")
        ellipse = torch.stack([0.3 * angle.cos(), 0.35 * angle.sin()], dim=1) + 0.5
        golden["landmarks"] = ellipse * torch.tensor([width, height], device="cpu")
    return golden


def check(model: AffectModel, path: Path, tensors: Mapping[str, torch.Tensor], *, heads: bool = True) -> None:
    """Compare a model's answers with those in its file; passed once, the file is trusted on this machine.

    Args:
        model: With the file's weights.
        path: The file.
        tensors: What ``make`` returned; where the file holds none, a warning says that nothing was tested.
        heads: Whether the model's heads are the file's, too.

    Raises:
        WeightsError: They differ.
    """
    if os.environ.get("AFFECTZOO_SELF_TEST") == "0":
        return
    if not tensors:
        warnings.warn(
            f"{path}: no golden face in the file, so its predictions are not tested: classes in another "
            "order or an altered layer would go unnoticed. Files that affectzoo writes have one; use this "
            "one only if you trust where it comes from",
            stacklevel=3,
        )
        return
    told = f"golden face, {dict(model.arguments)}, {torch.__version__}, {__version__}"
    passed = mark(told, path)
    if os.path.isfile(passed):  # noqa: PTH113, as Path raises where the folder may not be entered
        return
    test(model, path, tensors, heads=heads)
    if heads:  # without them less was tested
        leave(passed)


def test(model: AffectModel, path: Path, tensors: Mapping[str, torch.Tensor], *, heads: bool = True) -> None:
    """Make the test of ``check``, whatever was noted of the file or switched off.

    Raises:
        WeightsError: The golden face is none, or the model's answers are not the file's.
    """
    golden = {name.removeprefix(GOLDEN): tensor for name, tensor in tensors.items()}
    if not _is_face(golden, model.landmarks):
        raise WeightsError(f"{path}: its golden face is no image with a face's box and landmarks")
    try:
        answers = _answers(model, golden)
    except Exception as error:  # whatever a network finds wrong with the shapes
        told = str(error).partition("\n")[0][:200] or type(error).__name__
        raise WeightsError(
            f"{path}: the self-test failed: {model.arch} does not take faces as the file says they are "
            f"prepared: {told}"
        ) from None
    for name, found in answers.items():
        if not heads and name != "features":
            continue
        expected = golden.get(name, torch.empty(0))
        if expected.shape != found.shape or not torch.allclose(found, expected, TOLERANCE, TOLERANCE):
            apart = float((found - expected).abs().max()) if expected.shape == found.shape else float("nan")
            raise WeightsError(
                f"{path}: the self-test failed: on its golden face the model's {name} are up to {apart:.3g} "
                "off. Weights or preprocessing are not those that the file was made with: fetch it again. "
                "AFFECTZOO_SELF_TEST=0 loads it unchecked"
            )


def _is_face(golden: Mapping[str, torch.Tensor], landmarks: int) -> bool:
    """Whether it has the shapes and sizes that ``make`` gives; anything larger could take all memory."""
    picture, box, points = (golden.get(name) for name in ("picture", "box", "landmarks"))
    if picture is None or box is None or picture.dtype != torch.uint8 or picture.ndim != 4:
        return False
    small = 1 <= len(picture) <= FRAMES and picture.shape[3] == 3 and max(picture.shape[1:3]) <= LONGEST
    numbers = [box] if points is None else [box, points]
    near = all(values.is_floating_point() and bool((values.abs() <= LONGEST).all()) for values in numbers)
    shapes = box.shape == (4,) and (points.shape == (landmarks, 2) if points is not None else not landmarks)
    return bool(small and near and shapes)


def _answers(model: AffectModel, golden: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    x0, y0, x1, y1 = golden["box"].tolist()
    box = (x0, y0, x1, y1)
    frames = [frame.numpy() for frame in golden["picture"]]
    images = torch.stack([model.preprocess(frame, box) for frame in frames])
    points = None
    if "landmarks" in golden:
        prepared = [model.preprocess.points(golden["landmarks"].numpy(), frame, box) for frame in frames]
        points = torch.from_numpy(np.stack(prepared))
    if len(frames) > 1:
        images, points = images[None], None if points is None else points[None]
    with inference(model):
        output = model(images.to(model.device), None if points is None else points.to(model.device))
    return {
        name: value.float().cpu().clone() for name, value in output._asdict().items() if value is not None
    }
