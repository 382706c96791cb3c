"""The residual network of dlib's face recognition, without its last layer, for affect.

King, "High Quality Face Recognition with Deep Metric Learning", dlib's blog 2017, and its definition in the
example ``dnn_face_recognition_ex.cpp``: ResNet-34 of He et al., CVPR 2016, with 29 convolutions and
half the channels. Convolutions with a stride of 2 have no padding, shortcuts average and fill with zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.layers import dropout_layer, init_msra

STEM = 32
"""Output channels of the 7 x 7 convolution before the blocks, stride 2, which a 3 x 3 max pooling follows."""
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels and number of blocks of each stage, and whether its first block halves height and width."""
MEAN = (122.782 / 255, 117.001 / 255, 104.298 / 255)
"""The mean color that the published network subtracts, R, G, B on the 0..1 scale."""


def unit(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    """A convolution with batch norm, padded only where it keeps height and width."""
    padding = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, both filled up with zeros to the larger one's shape."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        """Build it; ``halves``: the first convolution and the shortcut halve height and width."""
        super().__init__()
        self.halves = halves
        first, second = unit(inputs, outputs, 3, 1 + halves), unit(outputs, outputs, 3, 1)
        self.conv = nn.Sequential(*first, nn.ReLU(inplace=True), *second)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute, shape (B, inputs, H, W) to (B, outputs, H', W')."""
        both = self.conv(image), F.avg_pool2d(image, 2) if self.halves else image
        shape = [max(sizes) for sizes in zip(both[0].shape, both[1].shape, strict=True)]
        one, other = (_filled(values, shape) for values in both)
        return torch.relu(one + other)


def _filled(values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Append zeros behind channels, rows and columns."""
    missing = [full - size for full, size in zip(shape, values.shape, strict=True)]
    return F.pad(values, [0, missing[3], 0, missing[2], 0, missing[1]]) if any(missing) else values


class FaceResNetTrunk(nn.Module):
    """A convolution and fourteen residual blocks, pooled to 256 features."""

    def __init__(self, dropout: float = 0.3) -> None:
        """Initialize.

        Args:
            dropout: Share of pooled features dropped in training.
        """
        super().__init__()
        self.feature_dim = STAGES[-1][0]
        self.stem = nn.Sequential(*unit(3, STEM, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.blocks = nn.Sequential()
        inputs = STEM
        for outputs, count, halves in STAGES:
            for place in range(count):
                self.blocks.append(Block(inputs, outputs, halves and place == 0))
                inputs = outputs
        self.dropout = dropout_layer(dropout)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 256), not negative, of RGB faces, shape (B, 3, H, W), of 103 px or more."""
        features: torch.Tensor = self.dropout(self.blocks(self.stem(image)).mean(dim=(2, 3)))
        return features


class FaceResNet(AffectModel):
    """dlib's face ResNet on 112 px RGB faces; starts from the published one by ``affectzoo convert dlib``."""

    arch = "face_resnet"
    default_preprocess = Preprocess(size=112, mean=MEAN, std=(0.25,))

    def __init__(self, *, dropout: float = 0.3, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of features dropped in training, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=FaceResNetTrunk(dropout), arguments={"dropout": dropout}, **common)
