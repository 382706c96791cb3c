"""A small network of VGG-Face's form, its files as other projects write them, and what it computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.io import savemat
from torch.nn import functional

Array = npt.NDArray[np.float32]

BLOCKS = ((4, 4), (5, 5), (6, 6, 6), (8, 8, 8), (8, 8, 8))
UNITS = 16
MEAN = (129.1863, 104.7624, 93.5940)
CONVS = [f"conv{b}_{i}" for b, block in enumerate(BLOCKS, 1) for i in range(1, len(block) + 1)]
LAYERS = [*CONVS, "fc6"]


def published(seed: int = 0, identities: int = 2622) -> dict[str, tuple[Array, Array]]:
    """Filters, height x width x inputs x outputs, and biases of a random network, by layer."""
    random = np.random.default_rng(seed)
    shapes, inputs = {}, 3
    for name, channels in zip(CONVS, (c for block in BLOCKS for c in block), strict=True):
        shapes[name] = (3, 3, inputs, channels)
        inputs = channels
    shapes |= {"fc6": (7, 7, inputs, UNITS), "fc8": (1, 1, 2, identities)}
    return {
        name: (
            random.normal(0, (2 / np.prod(shape[:3])) ** 0.5, shape).astype(np.float32),
            random.normal(0, 1, shape[3]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def reference(layers: Mapping[str, tuple[Array, Array]], picture: npt.NDArray[np.uint8], color: str) -> Any:
    """fc6's outputs behind its ReLU, shape (1, UNITS), of an RGB image of 224 px, in float64."""
    pixels = picture.astype(np.float64) - MEAN
    if color == "bgr":
        pixels = pixels[..., ::-1]
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]

    def conv(x: torch.Tensor, name: str, padding: int) -> torch.Tensor:
        filters, biases = (torch.from_numpy(part).double() for part in layers[name])
        return functional.conv2d(x, filters.permute(3, 2, 0, 1), biases, padding=padding).relu()

    for b, block in enumerate(BLOCKS, 1):
        for i in range(1, len(block) + 1):
            x = conv(x, f"conv{b}_{i}", 1)
        x = functional.max_pool2d(x, 2, 2)
    return conv(x, "fc6", 0).flatten(1)


def _cell(*parts: Any) -> npt.NDArray[Any]:
    cell = np.empty((1, len(parts)), object)
    for i, part in enumerate(parts):
        cell[0, i] = part
    return cell


def write_mat(
    path: Path,
    layers: Mapping[str, tuple[Any, Any]],
    *,
    old: bool = False,
    mean: Any = np.array(MEAN, np.float32).reshape(1, 1, 3),
) -> Path:
    """A MatConvNet file.

    Args:
        path: Where to.
        layers: As of ``published``.
        old: ``net`` whose layers have filters and biases, instead of ``layers`` and ``meta`` at the top whose
            layers have weights.
        mean: The mean image; ``None`` for none.
    """
    cells = []
    for name, (filters, biases) in layers.items():
        biases = biases[None] if isinstance(biases, np.ndarray) else biases
        parts = {"filters": filters, "biases": biases} if old else {"weights": _cell(filters, biases)}
        cells += [{"name": name, "type": "conv", **parts}, {"name": f"relu{name[4:]}", "type": "relu"}]
    normalization = {"imageSize": np.array([224, 224, 3])} | ({} if mean is None else {"averageImage": mean})
    if old:
        content: dict[str, Any] = {"net": {"layers": _cell(*cells), "normalization": normalization}}
    else:
        content = {"layers": _cell(*cells), "meta": {"normalization": normalization, "classes": "none"}}
    savemat(path, content, do_compression=True)
    return path


def state(
    layers: Mapping[str, tuple[Array, Array]], names: Mapping[str, str], *, fc6_conv: bool = False
) -> dict[str, torch.Tensor]:
    """A PyTorch state dict.

    Args:
        layers: As of ``published``.
        names: What the conversion calls each layer.
        fc6_conv: fc6 as a convolution instead of a linear layer.
    """
    tensors = {}
    for layer, name in names.items():
        filters, biases = (torch.from_numpy(part) for part in layers[layer])
        weight = filters.permute(3, 2, 0, 1).contiguous()
        flat = layer.startswith("fc") and not (fc6_conv and layer == "fc6")
        tensors[f"{name}.weight"] = weight.flatten(1) if flat else weight
        tensors[f"{name}.bias"] = biases.clone()
    return tensors
