"""A small face network in the form of dlib's files, and what it computes, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Stages = tuple[tuple[int, int, bool], ...]

MEAN_RGB = (122.782, 117.001, 104.298)


def published(stem: int, stages: Stages, seed: int = 0) -> list[Array]:
    """Make each convolution's kernel, shape (outputs, inputs, height, width), bias, scale and shift."""
    random = np.random.default_rng(seed)
    shapes, inputs = [(stem, 3, 7, 7)], stem
    for outputs, count, _ in stages:
        for _ in range(count):
            shapes += [(outputs, inputs, 3, 3), (outputs, outputs, 3, 3)]
            inputs = outputs
    arrays = []
    for shape in shapes:
        arrays.append(random.normal(0, np.prod(shape[1:]) ** -0.5, shape))
        arrays += [random.normal(0, 0.3, shape[0]), random.uniform(0.5, 1.5, shape[0])]
        arrays.append(random.normal(0, 0.3, shape[0]))
    return [array.astype(np.float32) for array in arrays]


def content(arrays: list[Array]) -> bytes:
    """Write them as dlib does: words about a layer, then its values as one tensor."""
    parts = [b"\x06loss_metric_2"]
    for kernel, bias, scale, shift in zip(*[iter(arrays)] * 4, strict=True):
        parts += [b"\x05con_4", _tensor(np.concatenate([kernel.ravel(), bias])), b"\x01\x07\x01\x02"]
        parts += [b"\x07affine_", _tensor(np.concatenate([scale, shift])), b"\x01\x02" * 2]
    return b"".join([*parts, b"\x05fc_2", _tensor(np.ones(12, np.float32))])


def _tensor(values: Array) -> bytes:
    return b"".join(map(_number, (2, len(values), 1, 1, 1))) + values.astype("<f4").tobytes()


def _number(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "little")


def reference(arrays: list[Array], stages: Stages, rgb: Array) -> Array:
    """Compute the pooled features of one face, shape (H, W, 3), 0..255, in float64."""
    layers = iter([array.astype(np.float64) for array in arrays])

    def unit(image: Array, stride: int, padding: int) -> Array:
        kernel, bias, scale, shift = (next(layers) for _ in range(4))
        return (_convolve(image, kernel, stride, padding) + bias) * scale + shift

    image = np.maximum(unit((rgb - np.array(MEAN_RGB)) / 256, 2, 0), 0)
    image = _windows(image, 3, 2).max(axis=(2, 3))
    for _, count, halves in stages:
        for place in range(count):
            down = halves and place == 0
            inner = np.maximum(unit(image, 2 if down else 1, 0 if down else 1), 0)
            inner = unit(inner, 1, 1)
            short = _windows(image, 2, 2).mean(axis=(2, 3)) if down else image
            total = np.zeros(np.maximum(inner.shape, short.shape))
            for part in (inner, short):
                total[tuple(map(slice, part.shape))] += part
            image = np.maximum(total, 0)
    features: Array = image.mean(axis=(0, 1))
    return features


def _windows(image: Array, size: int, stride: int) -> Array:
    """Views of an image, shape (rows, columns, size, size, channels)."""
    views = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
    return views[::stride, ::stride].transpose(0, 1, 3, 4, 2)


def _convolve(image: Array, kernel: Array, stride: int, padding: int) -> Array:
    padded = np.pad(image, [(padding, padding)] * 2 + [(0, 0)])
    out: Array = np.einsum("yxhwc,ochw->yxo", _windows(padded, kernel.shape[2], stride), kernel)
    return out
