"""The networks in plain torch, one class per architecture; ``affectzoo.modules`` has what trains them."""

from affectzoo.models.alexnet import AlexNet
from affectzoo.models.base import AffectModel
from affectzoo.models.cnn_m import CNNM
from affectzoo.models.cnn_rnn import CNNGRU, CNNLSTM
from affectzoo.models.dlp_cnn import DLPCNN, BaseDCNN, DLPCNNSmall
from affectzoo.models.mobilenet_v1 import MobileNetV1
from affectzoo.models.resnet import ResNet18, ResNet50, ResNet152
from affectzoo.models.vgg import VGG11BN, VGG16, VGGFace, VGGSmall

__all__ = [
    "CNNGRU",
    "CNNLSTM",
    "CNNM",
    "DLPCNN",
    "VGG11BN",
    "VGG16",
    "AffectModel",
    "AlexNet",
    "BaseDCNN",
    "DLPCNNSmall",
    "MobileNetV1",
    "ResNet18",
    "ResNet50",
    "ResNet152",
    "VGGFace",
    "VGGSmall",
]
