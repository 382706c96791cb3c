"""A small FaceRes as it is published for TensorFlow.js, and what it computes, in NumPy."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MEAN_BGR = (103.939, 116.779, 123.68)


def published(stem: int, blocks: tuple[tuple[int, int], ...], seed: int = 0) -> dict[str, Array]:
    """Make weights by their published names, as float16 like the published ones."""
    random = np.random.default_rng(seed)
    arrays = {"conv1/convolution/merged_input": random.normal(0, 0.004, (3, 3, 3, stem))}
    arrays["conv1_bn/batchnorm_1/sub"] = random.normal(0, 0.5, stem)
    inputs = stem
    for number, (outputs, _) in enumerate(blocks, 1):
        arrays[f"conv_dw_{number}/depthwise_kernel"] = random.normal(0, 0.5, (3, 3, inputs, 1))
        arrays[f"conv_dw_{number}_bn/batchnorm_1/mul"] = random.uniform(0.5, 1.5, inputs)
        arrays[f"conv_dw_{number}_bn/batchnorm_1/sub"] = random.normal(0, 0.3, inputs)
        arrays[f"conv_pw_{number}/convolution/merged_input"] = random.normal(0, 0.5, (1, 1, inputs, outputs))
        arrays[f"conv_pw_{number}_bn/batchnorm_1/sub"] = random.normal(0, 0.3, outputs)
        inputs = outputs
    arrays["global_pooling/Mean/reduction_indices"] = np.array([1, 2])
    kinds = {name: np.float16 if array.dtype == np.float64 else np.int32 for name, array in arrays.items()}
    return {name: array.astype(kinds[name]) for name, array in arrays.items()}


def write(folder: Path, arrays: dict[str, Array], *, tarball: bool = False) -> tuple[Path, dict[str, str]]:
    """Write the two files, or the package's tarball; return its path and the files' SHA-256."""
    manifest = []
    for name, array in arrays.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": "int32"}
        if array.dtype == np.float16:
            quantization = {"dtype": "float16", "original_dtype": "float32"}
            entry |= {"dtype": "float32", "quantization": quantization}
        manifest.append(entry)
    description = {
        "format": "graph-model",
        "weightsManifest": [{"paths": ["faceres.bin"], "weights": manifest}],
    }
    contents = {
        "faceres.json": json.dumps(description).encode(),
        "faceres.bin": b"".join(array.tobytes() for array in arrays.values()),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    if not tarball:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder / "faceres.json", hashes
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/models/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path, hashes


def reference(arrays: dict[str, Array], blocks: tuple[tuple[int, int], ...], rgb: Array) -> Array:
    """Compute the pooled features of one face, shape (H, W, 3), 0..255, in float64."""
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    image = rgb[..., ::-1].astype(np.float64) - MEAN_BGR
    image = _convolve(image, arrays["conv1/convolution/merged_input"], 2)
    image = np.clip(image + arrays["conv1_bn/batchnorm_1/sub"], 0, 6)
    for number, (_, stride) in enumerate(blocks, 1):
        name = f"conv_dw_{number}"
        kernel = arrays[f"{name}/depthwise_kernel"]
        each = np.zeros((*kernel.shape[:3], kernel.shape[2]))
        each[..., np.arange(kernel.shape[2]), np.arange(kernel.shape[2])] = kernel[..., 0]
        image = _convolve(image, each, stride) * arrays[f"{name}_bn/batchnorm_1/mul"]
        image = np.clip(image + arrays[f"{name}_bn/batchnorm_1/sub"], 0, 6)
        image = image @ arrays[f"conv_pw_{number}/convolution/merged_input"][0, 0]
        image = np.clip(image + arrays[f"conv_pw_{number}_bn/batchnorm_1/sub"], 0, 6)
    return image.mean(axis=(0, 1))


def _convolve(image: Array, kernel: Array, stride: int) -> Array:
    """Convolve with TensorFlow's 'SAME' padding, one output pixel after the other."""
    size = kernel.shape[0]
    lengths = [-(-length // stride) for length in image.shape[:2]]
    missing = [
        max((n - 1) * stride + size - length, 0) for n, length in zip(lengths, image.shape, strict=False)
    ]
    padded = np.pad(image, [(m // 2, m - m // 2) for m in missing] + [(0, 0)])
    out = np.empty((*lengths, kernel.shape[-1]))
    for y in range(lengths[0]):
        for x in range(lengths[1]):
            patch = padded[y * stride : y * stride + size, x * stride : x * stride + size]
            out[y, x] = np.tensordot(patch, kernel, 3)
    return out
