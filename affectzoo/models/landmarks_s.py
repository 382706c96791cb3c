"""A small network that finds 68 landmarks (iBUG order) in a face's crop, for models that take some.

Direct regression as by the CNN-6 of Feng et al., "Wing Loss for Robust Facial Landmark Localisation with
Convolutional Neural Networks", CVPR 2018, which also takes 64 px and flattens its last map; the residual
blocks are those of ``face_resnet``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.face_resnet import Block, unit
from affectzoo.models.layers import init_msra
from affectzoo.tasks.heads import TaskName

STEM = 32
"""Output channels of the 3 x 3 convolution before the blocks, stride 2."""
BLOCKS = ((64, True), (128, True), (128, False), (192, True))
"""Channels of each residual block, and whether it halves height and width."""
SIZE = 64
"""Height and width of a face, pixels."""


class LandmarksSmallTrunk(nn.Module):
    """A convolution and four residual blocks, flattened: places are kept, which pooling would lose."""

    def __init__(self) -> None:
        """Initialize as face_resnet."""
        super().__init__()
        self.stem = nn.Sequential(*unit(1, STEM, 3, 2), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential()
        inputs, edge = STEM, (SIZE - 1) // 2
        for outputs, halves in BLOCKS:
            self.blocks.append(Block(inputs, outputs, halves))
            inputs, edge = outputs, (edge - 1) // 2 if halves else edge
        self.feature_dim = inputs * edge**2
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, feature_dim), not negative, of gray faces, shape (B, 1, 64, 64)."""
        features: torch.Tensor = self.blocks(self.stem(image)).flatten(1)
        return features


class LandmarksSmall(AffectModel):
    """68 landmarks of 64 px gray faces; a detector's box is made a little larger, to hold the chin."""

    arch = "landmarks_s"
    default_preprocess = Preprocess(size=SIZE, color="gray", mean=(0.5,), std=(0.25,), margin=0.15)

    def __init__(self, *, task: TaskName = "landmarks", **common: Any) -> None:
        """Build the network.

        Args:
            task: What to predict.
            **common: As for every model.
        """
        super().__init__(trunk=LandmarksSmallTrunk(), arguments={}, task=task, **common)
