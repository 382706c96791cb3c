"""CNN-M, the baseline of the Aff-Wild challenge.

Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures,
and Beyond", IJCV 2019, section 3.1 and Table 4, after Chatfield et al., "Return of the Devil in the Details",
BMVC 2014.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.models.layers import init_msra


class CNNMTrunk(nn.Module):
    """Five convolutions with batch norm and a fully connected layer.

    The table's padding is TensorFlow's: where 'SAME' needs an odd number of rows or columns, the one more is
    at the end. The paper's initialization of the fully connected layer (variance 0.1, biases 1) is not taken
    over: it makes the features some 35 times as large as MSRA's.
    """

    def __init__(self, units: int = 4096) -> None:
        """Initialize.

        Args:
            units: Units of the fully connected layer.
        """
        super().__init__()
        self.feature_dim = units

        def conv(inputs: int, outputs: int, size: int, stride: int = 1, pad: int = 0) -> list[nn.Module]:
            layer = nn.Conv2d(inputs, outputs, size, stride, pad, bias=False)
            return [layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

        self.conv = nn.Sequential(
            *(*conv(3, 96, 7, stride=2), nn.MaxPool2d(3, 2)),
            *(nn.ZeroPad2d((1, 2, 1, 2)), *conv(96, 256, 5, stride=2), nn.MaxPool2d(3, 2, padding=1)),
            *conv(256, 512, 3, pad=1),
            *conv(512, 512, 3, pad=1),
            *(*conv(512, 512, 3, pad=1), nn.MaxPool2d(2)),
        )
        self.fc = nn.Linear(512 * 7 * 7, self.feature_dim)
        init_msra(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, shape (B, units), not negative, of RGB faces, shape (B, 3, 224, 224)."""
        return torch.relu(self.fc(self.conv(image).flatten(1)))


class CNNM(AffectModel):
    """CNN-M: 224 px RGB faces, pixels in [-1, 1]."""

    arch = "cnn_m"
    default_preprocess = Preprocess(size=224, mean=(0.5,), std=(0.5,))

    def __init__(self, *, units: int = 4096, **common: Any) -> None:
        """Build the network.

        Args:
            units: Units of the fully connected layer.
            **common: As for every model.
        """
        super().__init__(trunk=CNNMTrunk(units), arguments={"units": units}, **common)
