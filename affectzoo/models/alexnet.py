"""The AlexNet baseline of AffectNet (Mollahosseini et al., TAC 2019, section 4.2), and a compact one.

Krizhevsky's network in Caffe's order, pooling before local response normalization as AffectNet's text has it,
with two-group convolutions; torchvision's ``alexnet`` is a later one without groups and normalization.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.layers import dropout_layer, fully_connected, init_msra, init_small

SMALL = (
    (3, 48, 5, 2, 1, True),
    (48, 128, 5, 1, 2, True),
    (128, 192, 3, 1, 1, False),
    (192, 192, 3, 1, 2, False),
    (192, 192, 3, 1, 2, False),
)
"""The compact member's convolutions: inputs, outputs, kernel, stride, groups, whether pooling follows."""


class AlexNetTrunk(nn.Module):
    """Five convolutions and two fully connected layers of 4096 units.

    The fully connected layers start with Caffe's biases of 0.1 and half its deviations of some 0.005, with
    which a squared error at the paper's rate 0.001 grew without bound on few faces of strong contrast. Its
    convolutions' 0.01 is for pixels of some 100; for pixels of some 1, as here, it passes on next to nothing:
    they start by MSRA.
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
            *(nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True), dropout_layer(dropout)),
            *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), dropout_layer(dropout)),
        )
        init_msra(self.conv)
        init_small(self.fc, bias=0.1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 4096), of RGB faces, shape (B, 3, 224, 224)."""
        features: torch.Tensor = self.fc(self.conv(image).flatten(1))
        return features


class AlexNetSmallTrunk(nn.Module):
    """AlexNet's five convolutions with fewer channels and a small first stride, pooled, 256 units.

    Batch norm stands in the place of local response normalization.
    """

    feature_dim = 256

    def __init__(self, dropout: float = 0.3) -> None:
        """Initialize.

        Args:
            dropout: Share of features dropped in training.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride, groups, pooled in SMALL:
            layers.append(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            if pooled:
                layers.append(nn.MaxPool2d(3, 2, padding=1))
        self.conv = nn.Sequential(*layers)
        self.fc = fully_connected(SMALL[-1][1], (self.feature_dim,), dropout)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 256), not negative, of RGB faces, shape (B, 3, H, W), of 16 px or more."""
        features: torch.Tensor = self.fc(self.conv(image).mean(dim=(2, 3)))
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


class AlexNetSmall(AffectModel):
    """Compact AlexNet for 64 px RGB faces, small enough to bundle."""

    arch = "alexnet_s"
    default_preprocess = Preprocess(size=64, mean=(0.5,), std=(0.25,))

    def __init__(self, *, dropout: float = 0.3, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of features dropped in training, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=AlexNetSmallTrunk(dropout), arguments={"dropout": dropout}, **common)
