"""The VGG family: VGG-Face and VGG-16 of Aff-Wild, VGG-11 of AFEW-VA, AffectNet's small one, a compact one.

The layout is Simonyan and Zisserman's, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015; the classes name the papers that put it to faces.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from affectzoo.faces.landmarks import IBUG
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.fusion import join_landmarks
from affectzoo.models.imagenet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    BackboneWeights,
    starts_from_imagenet,
    timm_network,
    timm_start,
)
from affectzoo.models.layers import dropout_layer, fully_connected, init_msra, init_small
from affectzoo.weights import Start

Blocks = tuple[tuple[int, ...], ...]

LAYOUT_11: Blocks = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Channels of each convolution; a 2 x 2 max pooling ends each block."""
LAYOUT_16: Blocks = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
COMPACT: Blocks = ((24, 24), (48, 48), (96, 96, 96), (192, 192, 192), (192, 192, 192))

GRID = 7
"""Height and width of the last pooling's output for 224 px."""


def conv_blocks(blocks: Blocks, batch_norm: bool, channels: int = 3) -> nn.Sequential:
    """The convolutions, 3 x 3 with ReLU; (B, channels, H, W) to (B, blocks[-1][-1], H // 32, W // 32)."""
    layers: list[nn.Module] = []
    previous = channels
    for block in blocks:
        for outputs in block:
            layers.append(nn.Conv2d(previous, outputs, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
            previous = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class VGGTrunk(nn.Module):
    """VGG's convolutions and fully connected layers, the first of which also takes landmarks."""

    def __init__(
        self,
        blocks: Blocks,
        units: tuple[int, ...],
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
        landmarks: int = 0,
        imagenet: str | None = None,
    ) -> None:
        """Initialize.

        Args:
            blocks: ``LAYOUT_11`` or ``LAYOUT_16``.
            units: Units of each fully connected layer; without any, what they would take are the features.
            batch_norm: Whether batch norm follows each convolution.
            dropout: Share of units dropped after each fully connected layer in training.
            landmarks: How many landmarks join the last pooling's output.
            imagenet: Start from the ImageNet weights of this network of timm.
        """
        super().__init__()
        self.landmarks = landmarks
        self.start: Start | None = None
        joined = blocks[-1][-1] * GRID**2 + 2 * landmarks
        self.feature_dim = units[-1] if units else joined
        self.features = conv_blocks(blocks, batch_norm)
        self.grid = nn.AdaptiveAvgPool2d(GRID)
        self.fc = fully_connected(joined, units, dropout)
        init_msra(self.features)
        init_small(self.fc)
        if imagenet is not None:
            network = timm_network(imagenet, True)
            self._start_from(network)
            self.start = timm_start(network)

    @torch.no_grad()
    def _start_from(self, network: Any) -> None:
        """Take the convolutions of timm's VGG and, where of the same size, its fully connected layers.

        Columns of landmarks keep their initialization.
        """
        self.features.load_state_dict(network.features.state_dict())
        layers = [layer for layer in self.fc if isinstance(layer, nn.Linear)]
        for own, theirs in zip(layers, (network.pre_logits.fc1, network.pre_logits.fc2), strict=False):
            weight = theirs.weight.flatten(1)  # a convolution over the whole grid, channels first
            if len(own.weight) != len(weight) or own.in_features < weight.shape[1]:
                break  # and what stands on it was trained for other inputs
            own.weight[:, : weight.shape[1]] = weight
            own.bias.copy_(theirs.bias)

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Features, not negative.

        Args:
            image: RGB faces, shape (B, 3, H, W); the papers' have 224 px, others (at least 32 px) are brought
                to the same 7 x 7 grid behind the last pooling.
            landmarks: Shape (B, landmarks, 2), -1 to 1 from the image's one edge to the other.

        Returns:
            Shape (B, feature_dim).
        """
        pooled = self.grid(self.features(image)).flatten(1)
        features: torch.Tensor = self.fc(join_landmarks(pooled, landmarks, self.landmarks))
        return features


class VGGFaceSmallTrunk(nn.Module):
    """VGG-16's thirteen convolutions with fewer channels and batch norm, pooled over the face, 256 units.

    An average over the face stands in the place of the last max pooling.
    """

    feature_dim = 256

    def __init__(self, dropout: float = 0.3) -> None:
        """Initialize.

        Args:
            dropout: Share of features dropped in training.
        """
        super().__init__()
        self.conv = conv_blocks(COMPACT, batch_norm=True, channels=1)[:-1]
        self.fc = fully_connected(COMPACT[-1][-1], (self.feature_dim,), dropout)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 256), not negative, of gray faces, shape (B, 1, H, W), of 16 px or more."""
        features: torch.Tensor = self.fc(self.conv(image).mean(dim=(2, 3)))
        return features


class VGGSmallTrunk(nn.Module):
    """Four convolutions and fully connected layers of 128 and 64 units, batch norm behind each ReLU."""

    feature_dim = 64

    def __init__(self, conv_dropout: float = 0.3, dropout: float = 0.25) -> None:
        """Initialize.

        Args:
            conv_dropout: Share of values dropped behind the second convolution in training.
            dropout: Share of units dropped between the fully connected layers in training.
        """
        super().__init__()
        eps, momentum = 1e-3, 0.01  # Keras's defaults, in torch's terms

        def block(inputs: int, outputs: int, dropout: float = 0.0) -> list[nn.Module]:
            drop = [dropout_layer(dropout)] if dropout else []
            norm = nn.BatchNorm2d(outputs, eps, momentum)
            return [nn.Conv2d(inputs, outputs, 3), *drop, nn.ReLU(inplace=True), norm, nn.MaxPool2d(2)]

        self.conv = nn.Sequential(
            *block(3, 64), *block(64, 128, conv_dropout), *block(128, 256), *block(256, 256)
        )
        self.fc = nn.Sequential(
            *(nn.Linear(256 * 14 * 14, 128), nn.ReLU(inplace=True), nn.BatchNorm1d(128, eps, momentum)),
            dropout_layer(dropout),
            *(nn.Linear(128, 64), nn.ReLU(inplace=True), nn.BatchNorm1d(64, eps, momentum)),
        )
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, 64), of RGB faces, shape (B, 3, 256, 256)."""
        features: torch.Tensor = self.fc(self.conv(image).flatten(1))
        return features


class VGGFace(AffectModel):
    """The VGG-Face CNN of Aff-Wild: VGG-16's convolutions, 4096 and 2048 units, with or without landmarks.

    Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures,
    and Beyond", IJCV 2019, section 4.2.1 and Table 7. The paper starts from weights trained on the VGG-Face
    data set, which are not part of this zoo.
    """

    arch = "vggface"
    default_preprocess = Preprocess(size=224, mean=(0.5,), std=(0.5,))

    def __init__(
        self,
        *,
        units: tuple[int, int] = (4096, 2048),
        landmarks: bool = False,
        dropout: float = 0.5,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            units: Units of the two fully connected layers.
            landmarks: Whether the first of them also takes the 68 landmarks.
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            **common: As for every model.
        """
        super().__init__(
            trunk=VGGTrunk(LAYOUT_16, units, dropout=dropout, landmarks=IBUG * landmarks),
            arguments={"units": list(units), "landmarks": landmarks, "dropout": dropout},
            **common,
        )


class VGGFaceSmall(AffectModel):
    """Compact VGG-Face for 48 px gray faces, small enough to bundle."""

    arch = "vggface_s"
    default_preprocess = Preprocess(size=48, color="gray", mean=(0.5,), std=(0.25,))

    def __init__(self, *, dropout: float = 0.3, **common: Any) -> None:
        """Build the network.

        Args:
            dropout: Share of features dropped in training, in [0, 1).
            **common: As for every model.
        """
        super().__init__(trunk=VGGFaceSmallTrunk(dropout), arguments={"dropout": dropout}, **common)


class VGG16(AffectModel):
    """VGG-16 as for ImageNet, 4096 and 4096 units; with 4096 and 2048 units it is Aff-Wild's (Table 7)."""

    arch = "vgg16"
    default_preprocess = Preprocess(size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    blocks: ClassVar[Blocks] = LAYOUT_16
    batch_norm: ClassVar[bool] = False

    def __init__(
        self,
        *,
        units: tuple[int, int] = (4096, 4096),
        landmarks: bool = False,
        dropout: float = 0.5,
        backbone_weights: BackboneWeights | None = None,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            units: Units of the two fully connected layers.
            landmarks: Whether the first of them also takes the 68 landmarks.
            dropout: Share of units dropped after each fully connected layer, in [0, 1).
            backbone_weights: ``imagenet`` starts from ImageNet weights, which are fetched once;
                ``weights`` go before them.
            **common: As for every model.
        """
        super().__init__(
            trunk=VGGTrunk(
                self.blocks,
                units,
                batch_norm=self.batch_norm,
                dropout=dropout,
                landmarks=IBUG * landmarks,
                imagenet=self.arch if starts_from_imagenet(backbone_weights, common) else None,
            ),
            arguments={"units": list(units), "landmarks": landmarks, "dropout": dropout},
            **common,
        )


class VGG11BN(VGG16):
    """VGG-11 with batch norm and 4096 and 4096 units, as fine-tuned on AFEW-VA and SEMAINE.

    Ulloa Rodriguez, "Deep affective computing", bachelor's thesis, UPF Barcelona 2019, section 4.1.1.
    """

    arch = "vgg11_bn"
    blocks = LAYOUT_11
    batch_norm = True


class VGGSmall(AffectModel):
    """A small VGG for AffectNet: four valid convolutions, 128 and 64 units, 256 px RGB faces.

    Giguere, "Emotion Classification Using AffectNet", student report, appendix C. The report does not say how
    pixels are scaled; here they lie in [-1, 1].
    """

    arch = "vgg_small"
    default_preprocess = Preprocess(size=256, mean=(0.5,), std=(0.5,))

    def __init__(self, *, conv_dropout: float = 0.3, dropout: float = 0.25, **common: Any) -> None:
        """Build the network.

        Args:
            conv_dropout: Share of values dropped behind the second convolution, in [0, 1).
            dropout: Share of units dropped between the fully connected layers, in [0, 1).
            **common: As for every model.
        """
        super().__init__(
            trunk=VGGSmallTrunk(conv_dropout, dropout),
            arguments={"conv_dropout": conv_dropout, "dropout": dropout},
            **common,
        )
