"""The golden face for people: ``golden.png``, and its answers by name in ``golden.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from affectzoo import weights
from affectzoo.faces.landmarks import IBUG
from affectzoo.hub.publishing.files import write_json
from affectzoo.tasks.va import VATask
from affectzoo.zoo import golden

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


def show_golden(folder: Path, model: AffectModel, stored: Mapping[str, torch.Tensor]) -> None:
    """Write the golden face as an image, frames side by side, and its outputs by name.

    Args:
        folder: Where to.
        model: Names the outputs.
        stored: What ``weights.read_golden`` found in the model's file.
    """
    import cv2

    tensors = {name.removeprefix(weights.GOLDEN): tensor for name, tensor in stored.items()}
    strip = cv2.cvtColor(torch.cat(list(tensors["picture"]), dim=1).numpy(), cv2.COLOR_RGB2BGR)
    (folder / "golden.png").write_bytes(cv2.imencode(".png", strip)[1].tobytes())
    values = next((task.dimensions for task in model.tasks if isinstance(task, VATask)), ())
    coordinates = [f"{axis}_{point}" for point in range(IBUG) for axis in "xy"]
    names = {
        "expression": () if model.labels is None else model.labels.names,
        "va": values,
        "points": coordinates,
    }
    outputs = {
        head: [
            {name: round(value, 6) for name, value in zip(own, frame, strict=True)}
            for frame in tensors[head].flatten(0, -2).tolist()
        ]
        for head, own in names.items()
        if head in tensors
    }
    points = {name: tensors[name].tolist() for name in ("box", "landmarks") if name in tensors}
    write_json(folder / "golden.json", {**points, "tolerance": golden.TOLERANCE, "outputs": outputs})
