"""Pass weights on to others: only those that pass their own self-test are written anew and sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from affectzoo import weights
from affectzoo.zoo import golden
from affectzoo.zoo.loading import load, seal

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel
    from affectzoo.weights import WeightsMeta


def load_tested(path: Path) -> AffectModel:
    """Load weights and test them on their golden face, also where that was done before or is switched off.

    Args:
        path: A weights file, an index, or a folder that holds one.

    Raises:
        WeightsError: They cannot be loaded, or their answers are not those that they were sealed with.
    """
    model = load(path)
    stored = weights.read_golden(path)
    if stored:
        golden.test(model, path, stored)
    return model


def copy_sealed(source: Path, target: Path, meta: WeightsMeta, *, half: bool = True) -> None:
    """Write weights that pass their self-test to another file, with a golden face.

    The golden face is kept where the values are kept, and made anew where they are rounded.

    Args:
        source: A weights file or index.
        target: The new file.
        meta: What the new file says of itself.
        half: Store floating tensors as float16.

    Raises:
        WeightsError: The source fails its self-test, or its values cannot be stored so.
    """
    load_tested(source)
    tensors = dict(sorted(weights.read_tensors(source).items()))
    values = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    exact = not half or all(torch.equal(value.half().float(), value) for value in values)
    stored = weights.read_golden(source) if exact else {}
    weights.write(target, tensors, meta, half=half, golden=stored)
    if not stored:
        seal(target)
