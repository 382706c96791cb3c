"""baseDCNN and DLP-CNN of RAF-DB, and a compact member of the family.

Li and Deng, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial Expression
Recognition", IEEE TIP 28(1), 2019, section IV and V-B. The layer table (Table IV) is known from public
re-implementations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.layers import dropout_layer, init_msra

CHANNELS = (64, 96, 128, 128, 256, 256)
POOLED = (0, 1, 3)
"""Which convolutions a 2 x 2 max pooling follows."""


def conv_trunk(batch_norm: bool) -> nn.Sequential:
    """The six 3 x 3 convolutions, each with ReLU; (B, 1, H, W) to (B, 256, H // 8, W // 8)."""
    layers: list[nn.Module] = []
    previous = 1
    for place, channels in enumerate(CHANNELS):
        layers.append(nn.Conv2d(previous, channels, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.ReLU(inplace=True))
        if place in POOLED:
            layers.append(nn.MaxPool2d(2))
        previous = channels
    return nn.Sequential(*layers)


class BaseDCNNTrunk(nn.Module):
    """Six convolutions and a fully connected layer of 2000 units."""

    feature_dim = 2000

    def __init__(self) -> None:
        """Initialize as the paper does (MSRA, zero biases)."""
        super().__init__()
        self.conv = conv_trunk(batch_norm=False)
        self.fc = nn.Linear(CHANNELS[-1] * 11 * 11, self.feature_dim)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 2000), not negative, of gray faces, shape (B, 1, 90, 90)."""
        return torch.relu(self.fc(self.conv(image).flatten(1)))


class DLPCNNSmallTrunk(nn.Module):
    """The same convolutions with batch norm, global average pooling and a layer of 512 units."""

    feature_dim = 512

    def __init__(self, dropout: float = 0.5) -> None:
        """Initialize.

        Args:
            dropout: Share of features dropped in training.
        """
        super().__init__()
        self.conv = conv_trunk(batch_norm=True)
        self.fc = nn.Linear(CHANNELS[-1], self.feature_dim)
        self.dropout = dropout_layer(dropout)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 512), not negative, of gray faces, shape (B, 1, H, W), H and W >= 8."""
        pooled = self.conv(image).mean(dim=(2, 3))
        features: torch.Tensor = self.dropout(torch.relu(self.fc(pooled)))
        return features


class BaseDCNN(AffectModel):
    """baseDCNN: 90 px crops of 100 px gray faces, softmax loss; the center-loss row by its recipe."""

    arch = "base_dcnn"
    default_preprocess = Preprocess(size=90, resize=100, color="gray", mean=(0.0,), std=(1.0,))

    def __init__(self, **common: Any) -> None:
        """Build the network of the paper.

        Args:
            **common: As for every model.
        """
        super().__init__(trunk=BaseDCNNTrunk(), arguments={}, **common)


class DLPCNN(BaseDCNN):
    """DLP-CNN: baseDCNN with the locality-preserving loss, lambda 0.003 and k 20."""

    arch = "dlp_cnn"
    default_feature_loss: ClassVar[Mapping[str, Any]] = {"name": "locality", "weight": 0.003, "k": 20}


class DLPCNNSmall(AffectModel):
    """Compact DLP-CNN for 48 px gray faces, small enough to bundle."""

    arch = "dlp_cnn_s"
    default_preprocess = Preprocess(size=48, color="gray", mean=(0.5,), std=(0.25,))

    def __init__(self, *, dropout: float = 0.5, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of features dropped in training, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=DLPCNNSmallTrunk(dropout), arguments={"dropout": dropout}, **common)
