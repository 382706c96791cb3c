"""The AlexNet baseline of AffectNet (Mollahosseini et al., TAC 2019, section 4.2).

Krizhevsky's network in Caffe's order, pooling before local response normalization as AffectNet's text has it,
with two-group convolutions; torchvision's ``alexnet`` is a later one without groups and normalization.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.layers import init_msra, init_small


class AlexNetTrunk(nn.Module):
    """Five convolutions and two fully connected layers of 4096 units.

    The fully connected layers start as Caffe's (deviations near 0.005, biases 0.1). Its convolutions' 0.01 is
    for pixels of some 100; for pixels of some 1, as here, it passes on next to nothing: they start by MSRA.
    """

    feature_dim = 4096

    def __init__(self, dropout: float = 0.5) -> None:
        """Initialize.

        Args:
            dropout: Share of units dropped after each fully connected layer in training.
        """
        super().__init__()

        def normalise() -> nn.LocalResponseNorm:
            return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

        self.conv = nn.Sequential(
            *(nn.Conv2d(3, 96, 11, stride=4, padding=2), nn.ReLU(inplace=True)),
            *(nn.MaxPool2d(3, 2), normalise()),
            *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(inplace=True)),
            *(nn.MaxPool2d(3, 2), normalise()),
            *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
            nn.MaxPool2d(3, 2),
        )
        self.fc = nn.Sequential(
            *(nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        )
        init_msra(self.conv)
        init_small(self.fc, bias=0.1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 4096), of RGB faces, shape (B, 3, 224, 224)."""
        features: torch.Tensor = self.fc(self.conv(image).flatten(1))
        return features


class AlexNet(AffectModel):
    """AlexNet: 224 px crops of 256 px RGB faces."""

    arch = "alexnet"
    default_preprocess = Preprocess(size=224, resize=256, mean=(0.5,), std=(0.25,))

    def __init__(self, *, dropout: float = 0.5, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=AlexNetTrunk(dropout), arguments={"dropout": dropout}, **common)
