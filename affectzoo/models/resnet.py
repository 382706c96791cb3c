"""The ResNet family: ResNet-18, ResNet-50 of Aff-Wild and AffectNet, ResNet-152 of AFEW-VA.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as timm builds them; the classes name
the papers that put them to faces.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.fusion import POINTS, join_landmarks
from affectzoo.models.imagenet import IMAGENET_MEAN, IMAGENET_STD, imagenet_name, timm_network
from affectzoo.models.layers import fully_connected, init_msra


class ResNetTrunk(nn.Module):
    """A ResNet, global average pooling, and fully connected layers that also take landmarks."""

    def __init__(
        self,
        name: str,
        units: tuple[int, ...] = (),
        *,
        dropout: float = 0.5,
        landmarks: int = 0,
        pretrained: bool = False,
    ) -> None:
        """Initialise.

        Args:
            name: As timm calls it.
            units: Units of each fully connected layer; without any, what they would take are the features.
            dropout: Share of units dropped after each fully connected layer in training.
            landmarks: How many landmarks join the pooled features.
            pretrained: Start from ImageNet weights.
        """
        super().__init__()
        self.landmarks = landmarks
        self.pretrained = pretrained
        self.body = timm_network(name, pretrained)
        joined = cast(int, self.body.num_features) + 2 * landmarks
        self.feature_dim = units[-1] if units else joined
        self.fc = fully_connected(joined, units, dropout)
        init_msra(self.fc)

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Features.

        Args:
            image: RGB faces, shape (B, 3, H, W), 224 px or others of at least 32 px.
            landmarks: Shape (B, landmarks, 2), -1 to 1 from the image's one edge to the other.

        Returns:
            Shape (B, feature_dim).
        """
        features: torch.Tensor = self.fc(join_landmarks(self.body(image), landmarks, self.landmarks))
        return features


class ResNet18(AffectModel):
    """ResNet-18 on 224 px RGB faces, its 512 pooled features."""

    arch = "resnet18"
    default_preprocess = Preprocess(size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def __init__(
        self,
        *,
        head_units: tuple[int, ...] = (),
        landmarks: bool = False,
        dropout: float = 0.5,
        pretrained: bool = False,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            head_units: Units of each fully connected layer between pooled features and heads; may be empty.
            landmarks: Whether the 68 landmarks join the pooled features.
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            pretrained: Start from ImageNet weights, which are fetched once; ``weights`` go before them.
            **common: As for every model.
        """
        super().__init__(
            trunk=ResNetTrunk(
                self.arch,
                tuple(head_units),
                dropout=dropout,
                landmarks=POINTS * landmarks,
                pretrained=imagenet_name(self.arch, pretrained, common) is not None,
            ),
            arguments={"head_units": list(head_units), "landmarks": landmarks, "dropout": dropout},
            **common,
        )


class ResNet50(ResNet18):
    """ResNet-50 with fully connected layers of 1500 and 256 units, with or without landmarks.

    Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures,
    and Beyond", IJCV 2019, section 4.2.1. With empty ``head_units`` it is the one of Giguere's "Emotion
    Classification Using AffectNet", which trains the last 20 % of the layers.
    """

    arch = "resnet50"

    def __init__(self, *, head_units: tuple[int, ...] = (1500, 256), **common: Any) -> None:
        """Build the network.

        Args:
            head_units: Units of each fully connected layer between pooled features and heads; may be empty.
            **common: As for ResNet-18.
        """
        super().__init__(head_units=head_units, **common)


class ResNet152(ResNet18):
    """ResNet-152, its 2048 pooled features, as fine-tuned on AFEW-VA and SEMAINE.

    Ulloa Rodriguez, "Deep affective computing", bachelor's thesis, UPF Barcelona 2019, section 4.1.2.
    """

    arch = "resnet152"
