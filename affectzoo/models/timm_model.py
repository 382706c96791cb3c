"""Any backbone of timm under the zoo's heads: ``create_model("timm/NAME", ...)``.

Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from affectzoo.faces.landmarks import IBUG
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.fusion import join_landmarks
from affectzoo.models.imagenet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TAG,
    BackboneWeights,
    starts_from_imagenet,
    timm_network,
    timm_start,
)
from affectzoo.models.layers import fully_connected, init_msra


class TimmTrunk(nn.Module):
    """A network of timm, its pooled features, and fully connected layers that also take landmarks."""

    def __init__(
        self,
        name: str,
        units: tuple[int, ...] = (),
        *,
        dropout: float = 0.5,
        landmarks: int = 0,
        imagenet: bool = False,
        tag: str | None = TAG,
    ) -> None:
        """Build the network.

        Args:
            name: The network's name in timm.
            units: Units of each fully connected layer; without any, what they would take are the features.
            dropout: Share of units dropped after each fully connected layer in training.
            landmarks: How many landmarks join the pooled features.
            imagenet: Start from ImageNet weights.
            tag: Which of them, see ``timm_network``.
        """
        super().__init__()
        self.landmarks = landmarks
        self.body = timm_network(name, imagenet, tag)
        self.start = timm_start(self.body) if imagenet else None
        # some networks have a layer after pooling
        pooled = getattr(self.body, "head_hidden_size", self.body.num_features)
        joined = cast(int, pooled) + 2 * landmarks
        self.feature_dim = units[-1] if units else joined
        self.fc = fully_connected(joined, units, dropout)
        init_msra(self.fc)

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Compute features.

        Args:
            image: RGB faces, shape (B, 3, H, W), 224 px or others of at least 32 px.
            landmarks: Shape (B, landmarks, 2), -1 to 1 from the image's one edge to the other.

        Returns:
            Shape (B, feature_dim).
        """
        features: torch.Tensor = self.fc(join_landmarks(self.body(image), landmarks, self.landmarks))
        return features


class Timm(AffectModel):
    """Any backbone of timm and its pooled features, on RGB faces of the size the backbone was made for."""

    arch = "timm"
    default_preprocess = Preprocess(size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def __init__(
        self,
        *,
        backbone: str = "mobilenetv3_small_100",
        head_units: tuple[int, ...] = (),
        landmarks: bool = False,
        dropout: float = 0.5,
        backbone_weights: BackboneWeights | None = None,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            backbone: The network's name in timm, such as ``convnext_tiny``; ``timm.list_models()`` has all.
            head_units: Units of each fully connected layer between pooled features and heads; may be empty.
            landmarks: Whether the 68 landmarks join the pooled features.
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            backbone_weights: ``imagenet`` starts from timm's default weights, which are fetched once;
                ``weights`` go before them.
            **common: As for every model.

        Raises:
            UnknownNameError: timm has no such network.
            WeightsError: The starting weights cannot be fetched.
        """
        super().__init__(
            trunk=TimmTrunk(
                backbone,
                tuple(head_units),
                dropout=dropout,
                landmarks=IBUG * landmarks,
                imagenet=starts_from_imagenet(backbone_weights, common),
                tag=None,
            ),
            arguments={
                "backbone": backbone,
                "head_units": list(head_units),
                "landmarks": landmarks,
                "dropout": dropout,
            },
            **common,
        )

    @classmethod
    def preprocess_for(cls, arguments: Mapping[str, Any]) -> Preprocess:
        """Prepare faces as timm prepares images for the backbone: its size, mean and standard deviation."""
        import timm

        known = timm.get_pretrained_cfg(arguments["backbone"])
        if known is None:
            return cls.default_preprocess
        return Preprocess(size=known.input_size[-1], mean=known.mean, std=known.std)
