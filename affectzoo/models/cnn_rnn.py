"""CNN-GRU and CNN-LSTM with landmark fusion (AffWildNet).

Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures, and
Beyond", IJCV 2019, section 4.2.1.3 and Table 8: convolutions and pooling, a fully connected layer that also
takes the landmarks, two recurrent layers, a linear output. The recurrent layers may also be fed by a second
fully connected layer, which the paper found worse.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, cast

import torch
from torch import nn

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.faces.landmarks import IBUG
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.imagenet import IMAGENET_MEAN, IMAGENET_STD, TAG, BackboneWeights, starts_from_imagenet
from affectzoo.models.layers import dropout_layer
from affectzoo.models.mobilenet_v1 import MobileNetV1Trunk
from affectzoo.models.timm_model import TimmTrunk
from affectzoo.models.vgg import LAYOUT_16, VGGTrunk
from affectzoo.weights import Start

FC_UNITS = {
    "vggface": (4096, 2048),
    "vgg16": (4096, 2048),
    "resnet50": (1500, 256),
    "resnet18": (512, 256),
    "mobilenet_v1": (),
}
"""Units of each backbone's fully connected layers: section 4.2.1 and Table 8, fewer for the small ones.

MobileNet-v1's pooled features and the landmarks enter the recurrent layers as they are."""

TIMM_UNITS = (512, 256)
"""Units of the fully connected layers over any other backbone of timm."""

MOST_LAYERS = 8


def frame_trunk(backbone: str, fc_layers: int, dropout: float, landmarks: int, imagenet: bool) -> nn.Module:
    """Build what sees each frame: convolutions, pooling and one or two fully connected layers.

    Args:
        backbone: A key of ``FC_UNITS``, or ``timm/NAME``.
        fc_layers: How many fully connected layers, 1 or 2.
        dropout: Share of units dropped after each fully connected layer in training.
        landmarks: How many landmarks join the pooled features.
        imagenet: Start from ImageNet weights.

    Raises:
        UnknownNameError: There is no such backbone.
        OptionError: The backbone has no ImageNet weights, or not so many fully connected layers.
    """
    if fc_layers not in (1, 2):
        raise OptionError(f"fc_layers is {fc_layers}: one or two fully connected layers are feed the RNN")
    name = backbone.removeprefix("timm/")
    if name == backbone and backbone not in FC_UNITS:
        raise UnknownNameError("backbone", backbone, FC_UNITS, "or any network of timm, as timm/NAME")
    units = FC_UNITS.get(backbone, TIMM_UNITS)[:fc_layers]
    if fc_layers == 2 and not units:
        raise OptionError(f"fc_layers is 2, but the backbone {backbone} has no fully connected layers here")
    if backbone in ("vggface", "mobilenet_v1") and imagenet:
        raise OptionError(
            f"the backbone {backbone} has no ImageNet weights; vgg16 has VGG-Face's layout, resnet18 is small"
        )
    if backbone == "mobilenet_v1":
        return MobileNetV1Trunk(dropout, landmarks)
    if backbone in ("vggface", "vgg16"):
        start = backbone if imagenet else None
        return VGGTrunk(LAYOUT_16, units, dropout=dropout, landmarks=landmarks, imagenet=start)
    tag = TAG if name == backbone else None
    return TimmTrunk(name, units, dropout=dropout, landmarks=landmarks, imagenet=imagenet, tag=tag)


class RecurrentTrunk(nn.Module):
    """A trunk on every frame, then recurrent layers over the frames of a window."""

    def __init__(
        self,
        frame_trunk: nn.Module,
        arch: str,
        cell: Literal["gru", "lstm"],
        units: int,
        layers: int,
        dropout: float,
    ) -> None:
        """Put recurrent layers on a trunk.

        Args:
            frame_trunk: Has ``feature_dim`` and ``landmarks``.
            arch: The architecture that it is the trunk of.
            cell: ``gru`` or ``lstm`` (without the paper's peepholes, which torch has not).
            units: Units of each recurrent layer.
            layers: How many recurrent layers.
            dropout: Share of their inputs dropped in training, except the first layer's, whose input the
                trunk's own dropout covers.

        Raises:
            OptionError: The number of layers, or the dropout, is out of range.
        """
        dropout_layer(dropout)  # checks it, also of one layer
        if not 1 <= layers <= MOST_LAYERS:
            raise OptionError(f"{layers} recurrent layers: expected 1 to {MOST_LAYERS}")
        super().__init__()
        self.frames = frame_trunk
        self.starts_from = {arch: "frames"}
        self.landmarks: int = cast(int, frame_trunk.landmarks)
        self.start = cast(Start | None, frame_trunk.start)
        kind = nn.GRU if cell == "gru" else nn.LSTM
        self.rnn = kind(
            cast(int, frame_trunk.feature_dim),
            units,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.feature_dim = units

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        """Features of each frame, from the frames before and at it.

        Args:
            image: Shape (B, T, C, H, W); (B, C, H, W) is taken for windows of one frame.
            landmarks: Shape (B, T, landmarks, 2) or (B, landmarks, 2), likewise.

        Returns:
            Shape (B, T, units) or (B, units).
        """
        if image.ndim == 4:
            alone = None if landmarks is None else landmarks[:, None]
            return self(image[:, None], alone)[:, 0]  # type: ignore[no-any-return]
        points = None if landmarks is None else landmarks.flatten(0, 1)
        frames = image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features = self.frames(frames, points).unflatten(0, image.shape[:2])
        output: torch.Tensor = self.rnn(features)[0]
        return output

    def go_on(
        self,
        tracks: Sequence[Hashable],
        states: dict[Hashable, Any],
        image: torch.Tensor,
        landmarks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Features of frames of several tracks, each going on where it was.

        Args:
            tracks: Whose face each is, B of them, in the order of time.
            states: The recurrent layers' state of each track, which is brought up to date.
            image: Shape (B, C, H, W).
            landmarks: Shape (B, landmarks, 2).

        Returns:
            Shape (B, units).
        """
        features: torch.Tensor = self.frames(image, landmarks)
        output = features.new_empty(len(features), self.feature_dim)
        for track in dict.fromkeys(tracks):
            rows = [row for row, other in enumerate(tracks) if other == track]
            found, states[track] = self.rnn(features[rows][None], states.get(track))
            output[rows] = found[0]
        return output

    @property
    def state_shape(self) -> tuple[int, int]:
        """Rows and units of a track's state in ``step``; an LSTM's cells follow its outputs."""
        return self.rnn.num_layers * (2 if isinstance(self.rnn, nn.LSTM) else 1), self.feature_dim

    def step(
        self, state: torch.Tensor, image: torch.Tensor, landmarks: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of one frame of each track, from states and to states that are tensors, as in exports.

        Args:
            state: Shape (B, *state_shape), zeros at first.
            image: Shape (B, C, H, W).
            landmarks: Shape (B, landmarks, 2).

        Returns:
            Features, shape (B, units), and the next states, of the shape of ``state``.
        """
        layers = state.transpose(0, 1).contiguous()
        before = layers.chunk(2) if isinstance(self.rnn, nn.LSTM) else layers
        output, after = self.rnn(self.frames(image, landmarks)[:, None], before)
        rows = torch.cat(after) if isinstance(self.rnn, nn.LSTM) else after
        return output[:, 0], rows.transpose(0, 1)


class CNNGRU(AffectModel):
    """CNN-GRU with landmark fusion: AffWildNet."""

    arch = "cnn_gru"
    sequence = True
    default_preprocess = Preprocess(size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    cell: Literal["gru", "lstm"] = "gru"

    def __init__(
        self,
        *,
        backbone: str = "resnet50",
        landmarks: bool = True,
        fc_layers: int = 1,
        units: int = 128,
        layers: int = 2,
        dropout: float = 0.5,
        backbone_weights: BackboneWeights | None = None,
        **common: Any,
    ) -> None:
        """Build the network.

        Args:
            backbone: What sees each frame: vggface, vgg16, resnet18, resnet50, mobilenet_v1, or any network
                of timm as ``timm/NAME``.
            landmarks: Whether the 68 landmarks join the backbone's pooled features.
            fc_layers: Which fully connected layer feeds the recurrent ones, the first (best in the paper) or
                the second.
            units: Units of each recurrent layer (100, 128 and 150 in the paper).
            layers: Recurrent layers, 1 or 2.
            dropout: Share of units dropped after the fully connected layers and the first recurrent one.
            backbone_weights: ``imagenet`` starts the backbone from ImageNet weights; ``weights`` go before
                them.
            **common: As for every model.
        """
        points = IBUG * landmarks
        imagenet = starts_from_imagenet(backbone_weights, common)
        trunk = frame_trunk(backbone, fc_layers, dropout, points, imagenet)
        super().__init__(
            trunk=RecurrentTrunk(trunk, backbone, self.cell, units, layers, dropout),
            arguments={
                "backbone": backbone,
                "landmarks": landmarks,
                "fc_layers": fc_layers,
                "units": units,
                "layers": layers,
                "dropout": dropout,
            },
            **common,
        )


class CNNLSTM(CNNGRU):
    """CNN-LSTM: the paper's comparison."""

    arch = "cnn_lstm"
    cell = "lstm"
