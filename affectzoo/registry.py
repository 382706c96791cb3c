"""Every architecture of the zoo, one line each; command line, torch.hub and tables derive from it.

Nothing heavy is imported here: an architecture's class is loaded when it is first built.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from affectzoo.errors import UnknownNameError

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


@dataclass(frozen=True)
class Architecture:
    """What the zoo knows of an architecture before building it.

    Attributes:
        name: What users type.
        target: Module and class of its LightningModule, ``module:Class``.
        summary: One line for tables and help.
        source: Paper, table or equation it follows.
        recipe: Its default recipe, below ``recipes/``.
        tasks: The tasks it can be built for.
    """

    name: str
    target: str
    summary: str
    source: str
    recipe: str
    tasks: tuple[str, ...] = ("expression",)

    def load_class(self) -> type[AffectModel]:
        """Import the architecture's LightningModule."""
        module, _, name = self.target.partition(":")
        loaded: type[AffectModel] = getattr(importlib.import_module(module), name)
        return loaded


_RAFDB = "Li and Deng, Reliable Crowdsourcing and Deep Locality-Preserving Learning, TIP 2019"
_AFFECTNET = "Mollahosseini et al., AffectNet, TAC 2019"

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Architecture(
                "alexnet",
                "affectzoo.models.alexnet:AlexNet",
                "AlexNet baseline of AffectNet, 5 conv + 3 FC, 224 px RGB",
                _AFFECTNET,
                "alexnet/ferplus.yaml",
            ),
            Architecture(
                "base_dcnn",
                "affectzoo.models.dlp_cnn:BaseDCNN",
                "baseDCNN of RAF-DB, 6 conv + 2 FC, 90 px grey; softmax or center loss",
                _RAFDB,
                "base_dcnn/rafdb.yaml",
            ),
            Architecture(
                "dlp_cnn",
                "affectzoo.models.dlp_cnn:DLPCNN",
                "baseDCNN trained with the locality-preserving loss",
                _RAFDB,
                "dlp_cnn/rafdb.yaml",
            ),
            Architecture(
                "dlp_cnn_s",
                "affectzoo.models.dlp_cnn:DLPCNNSmall",
                "compact DLP-CNN: same conv trunk, batch norm, global pooling, 48 px grey",
                _RAFDB,
                "dlp_cnn_s/ferplus.yaml",
            ),
        )
    }
)
"""The architectures by name."""


def architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        UnknownNameError: The zoo has none of that name; near matches are listed.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES, "(see: affectzoo models)")
    return ARCHITECTURES[name]
