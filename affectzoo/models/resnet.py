"""The ResNet family: ResNet-18, ResNet-50 of Aff-Wild and AffectNet, ResNet-152 of AFEW-VA.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as timm builds them; the classes name
the papers that put them to faces.
"""

from __future__ import annotations

from typing import Any

from affectzoo.faces.landmarks import IBUG
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.imagenet import IMAGENET_MEAN, IMAGENET_STD, BackboneWeights, starts_from_imagenet
from affectzoo.models.timm_model import TimmTrunk


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
        backbone_weights: BackboneWeights | None = None,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            head_units: Units of each fully connected layer between pooled features and heads; may be empty.
            landmarks: Whether the 68 landmarks join the pooled features.
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            backbone_weights: ``imagenet`` starts from ImageNet weights, which are fetched once;
                ``weights`` go before them.
            **common: As for every model.
        """
        super().__init__(
            trunk=TimmTrunk(
                self.arch,
                tuple(head_units),
                dropout=dropout,
                landmarks=IBUG * landmarks,
                imagenet=starts_from_imagenet(backbone_weights, common),
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
