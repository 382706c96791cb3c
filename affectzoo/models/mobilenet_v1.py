"""MobileNet-v1, the layout of the face network that HSE FaceRes publishes.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017,
Table 1. Published weights come from TensorFlow, whose 'SAME' padding adds a last row and column where a
stride of 2 meets an even size; here it is the same, so that they fit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.fusion import join_landmarks
from affectzoo.models.layers import dropout_layer, init_msra
from affectzoo.weights import Start

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Output channels and stride of each depthwise-separable block."""
STEM = 32
"""Output channels of the convolution before the blocks, stride 2."""
MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""The mean color that the published face network subtracts, R, G, B on the 0..1 scale."""


class SameConv2d(nn.Conv2d):
    """A 3 x 3 convolution whose output has ceil(size / stride) pixels, padded as TensorFlow's 'SAME' does.

    What is missing is shared by both ends of an axis, the odd pixel at the bottom and on the right.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        """Build it without bias; batch norm follows."""
        super().__init__(inputs, outputs, 3, stride, padding=0, groups=groups, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Convolve, shape (B, C, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        step = self.stride[0]
        rows, columns = (max(3 - (size % step or step), 0) for size in image.shape[2:])
        if rows == columns == 2:
            return F.conv2d(image, self.weight, None, self.stride, 1, 1, self.groups)
        edges = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return F.conv2d(F.pad(image, edges), self.weight, None, self.stride, 0, 1, self.groups)


def unit(conv: nn.Conv2d) -> nn.Sequential:
    """A convolution with batch norm and ReLU6."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True))


class MobileNetV1Trunk(nn.Module):
    """A convolution and thirteen depthwise-separable blocks, pooled to 1024 features."""

    start: Start | None = None

    def __init__(self, dropout: float = 0.3, landmarks: int = 0) -> None:
        """Initialize.

        Args:
            dropout: Share of pooled features dropped in training.
            landmarks: How many landmarks join the pooled features.
        """
        super().__init__()
        self.landmarks = landmarks
        self.feature_dim = BLOCKS[-1][0] + 2 * landmarks
        self.stem = unit(SameConv2d(3, STEM, stride=2))
        self.blocks = nn.Sequential()
        inputs = STEM
        for outputs, stride in BLOCKS:
            depthwise = SameConv2d(inputs, inputs, stride, groups=inputs)
            self.blocks.append(
                nn.Sequential(unit(depthwise), unit(nn.Conv2d(inputs, outputs, 1, bias=False)))
            )
            inputs = outputs
        self.dropout = dropout_layer(dropout)
        init_msra(self)

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Compute features.

        Args:
            image: RGB faces, shape (B, 3, H, W), of any size.
            landmarks: Shape (B, landmarks, 2), -1 to 1 from the image's one edge to the other.

        Returns:
            Shape (B, feature_dim); without landmarks not negative.
        """
        pooled = self.dropout(self.blocks(self.stem(image)).mean(dim=(2, 3)))
        return join_landmarks(pooled, landmarks, self.landmarks)


class MobileNetV1(AffectModel):
    """MobileNet-v1 on 96 px RGB faces; starts from HSE FaceRes by ``affectzoo convert faceres``."""

    arch = "mobilenet_v1"
    default_preprocess = Preprocess(size=96, mean=MEAN, std=(0.25,))

    def __init__(self, *, dropout: float = 0.3, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of features dropped in training, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=MobileNetV1Trunk(dropout), arguments={"dropout": dropout}, **common)
