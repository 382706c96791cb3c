"""LightningModules, one per architecture; recipes name them as ``affectzoo.models.NAME``."""

from affectzoo.models.alexnet import AlexNet
from affectzoo.models.base import AffectModel
from affectzoo.models.dlp_cnn import DLPCNN, BaseDCNN, DLPCNNSmall

__all__ = ["DLPCNN", "AffectModel", "AlexNet", "BaseDCNN", "DLPCNNSmall"]
