from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_clips
import test_families
import torch
import yaml
from fakes.model_tester import LABELS, ModelTester, NetworkTester, layers
from torch import nn

import affectzoo
from affectzoo import weights
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models import DLPCNN, AffectModel, AlexNet, AlexNetSmall, BaseDCNN, DLPCNNSmall, MobileNetV1
from affectzoo.models.face_resnet import FaceResNet
from affectzoo.models.landmarks_s import LandmarksSmall
from affectzoo.models.mobilenet_v1 import SameConv2d
from affectzoo.models.skeleton import skeleton
from affectzoo.models.vgg import VGGFaceSmall
from affectzoo.modules import lightning_module
from affectzoo.registry import ARCHITECTURES, Architecture

RECIPES = Path(affectzoo.__file__).parents[1] / "recipes"


class TestDLPCNN(NetworkTester):
    model_class = DLPCNN
    # conv: 9 * (1*64 + 64*96 + 96*128 + 128*128 + 128*256 + 256*256) + 928 biases = 1,199,584
    # fc: 256 * 11 * 11 * 2000 + 2000 = 61,954,000
    trunk_parameters = 1_199_584 + 61_954_000
    feature_dim = 2000
    channels, size = 1, 90

    def test_layers(self, model: AffectModel) -> None:
        convolutions = layers(model, nn.Conv2d)
        assert [conv.out_channels for conv in convolutions] == [64, 96, 128, 128, 256, 256]
        assert {conv.kernel_size for conv in convolutions} == {(3, 3)}
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.conv)
        assert kinds == "CRMCRMCRCRMCRCR"

    def test_base_dcnn_is_the_same_without_the_papers_loss(self, model: AffectModel) -> None:
        with skeleton():
            base = BaseDCNN(labels=LABELS)
        shapes = {name: tensor.shape for name, tensor in model.network_state().items()}
        assert {name: tensor.shape for name, tensor in base.network_state().items()} == shapes
        assert type(base.trunk) is type(model.trunk) and type(base).forward is type(model).forward
        assert base.preprocess == model.preprocess
        assert lightning_module(base).feature_term is None

    def test_adds_the_papers_loss(self, model: AffectModel) -> None:
        trained = lightning_module(model).eval()
        loss = trained.feature_loss
        assert (loss.name, loss.weight, loss.k) == ("locality", 0.003, 20)
        labels = torch.tensor([0, 0])
        batch = {"label": labels, "target": torch.eye(7)[labels], "index": torch.arange(2)}
        output = trained(self.images(2))
        terms = trained.train().loss_terms(output, batch)
        trained.eval()
        apart = (output.features[0] - output.features[1]).square().sum()
        torch.testing.assert_close(terms["locality"], 0.003 * apart / 2)
        assert terms.keys() == {"expression", "locality"}
        assert trained.loss_terms(output, batch).keys() == {"expression"}


class TestDLPCNNSmall(ModelTester):
    model_class = DLPCNNSmall
    # conv: 1,198,656 without biases, batch norm: 2 * 928, fc: 256 * 512 + 512 = 131,584
    trunk_parameters = 1_198_656 + 1_856 + 131_584
    feature_dim = 512
    channels, size = 1, 48

    def test_file_can_be_bundled(self, file: Path) -> None:
        assert file.stat().st_size <= 10_000_000

    @pytest.mark.parametrize("shape", [(48, 48), (64, 64), (56, 40)])
    def test_takes_other_sizes(self, model: AffectModel, shape: tuple[int, int]) -> None:
        output = model(torch.randn(2, 1, *shape))
        assert output.features.shape == (2, 512) and output.expression.isfinite().all()

    def test_arguments_are_written(self, tmp_path: Path) -> None:
        model = self.build(dropout=0.1)
        assert [layer.p for layer in layers(model, nn.Dropout)] == [0.1]
        weights.write(tmp_path / "model.safetensors", model.network_state(), model.describe())
        assert weights.read_meta(tmp_path / "model.safetensors").arguments == {"dropout": 0.1}
        again = self.build(dropout=0.3, weights=str(tmp_path / "model.safetensors"))
        assert again.describe().arguments == {"dropout": 0.3}  # its own, not those it started from


class TestMobileNetV1(ModelTester):
    model_class = MobileNetV1
    # Table 1 of its paper: 4.2 M with ImageNet's 1000 classes, 1,025,000 of them in the last layer.
    # stem: 864, depthwise: 9 * 4,960 = 44,640, pointwise: 3,139,584, batch norm: 2 * 10,944
    trunk_parameters = 864 + 44_640 + 3_139_584 + 21_888
    feature_dim = 1024
    channels, size = 3, 96

    def test_layers(self, model: AffectModel) -> None:
        convolutions = layers(model, nn.Conv2d)
        assert len(convolutions) == 1 + 2 * 13
        outputs = [conv.out_channels for conv in convolutions[2::2]]
        assert outputs == [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
        assert [i for i, conv in enumerate(convolutions) if conv.stride == (2, 2)] == [0, 3, 7, 11, 23]

    @pytest.mark.parametrize("shape", [(96, 96), (112, 112), (113, 127), (64, 48), (7, 7)])
    def test_takes_other_sizes(self, model: AffectModel, shape: tuple[int, int]) -> None:
        output = model(torch.randn(2, 3, *shape))
        assert output.features.shape == (2, 1024) and output.expression.isfinite().all()

    def test_pads_as_tensorflow_does(self) -> None:
        # Kernel of one tap: which pixel each output takes says where the padding is.
        conv = SameConv2d(1, 1, stride=2)
        taps = torch.zeros(1, 1, 3, 3)
        taps[0, 0, 0, 0] = 1
        conv.weight.data.copy_(taps)
        even, odd = (torch.arange(1.0, 1 + n * n).reshape(1, 1, n, n) for n in (4, 5))
        assert conv(even).flatten().tolist() == [1, 3, 9, 11]  # nothing before the first pixel
        assert conv(odd).flatten().tolist() == [0, 0, 0, 0, 7, 9, 0, 17, 19]  # one on both sides


class TestAlexNetSmall(ModelTester):
    model_class = AlexNetSmall
    # conv, without biases: 3,600 + 76,800 + 221,184 + 165,888 + 165,888; batch norm: 2 * (48 + 128 + 3 * 192)
    # fc: 192 * 256 + 256 = 49,408
    trunk_parameters = 633_360 + 2 * 752 + 49_408
    feature_dim = 256
    channels, size = 3, 64


class TestVGGFaceSmall(ModelTester):
    model_class = VGGFaceSmall
    # conv: 9 * (1*24 + 24*24 + 24*48 + 48*48 + 48*96 + 2*96*96 + 96*192 + 5*192*192) + 1,584 biases
    # batch norm: 2 * 1,584; fc: 192 * 256 + 256
    trunk_parameters = 9 * (24 + 576 + 1152 + 2304 + 4608 + 18_432 + 18_432 + 184_320) + 3 * 1584 + 49_408
    feature_dim = 256
    channels, size = 1, 48

    def test_layers(self, model: AffectModel) -> None:
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.conv)
        assert kinds == "M".join(["CBR" * 2] * 2 + ["CBR" * 3] * 3)

    def test_takes_other_sizes(self, model: AffectModel) -> None:
        for size in (16, 36, 64, 67):
            assert model(torch.randn(2, 1, size, size)).expression.isfinite().all()


class TestFaceResNet(ModelTester):
    model_class = FaceResNet
    # dlib's 5,614,592 values less its last layer's 256 * 128 and the convolutions' 3,904 biases, which batch
    # norm's shifts take up.
    trunk_parameters = 5_614_592 - 256 * 128 - (32 * 7 + 64 * 8 + 128 * 6 + 256 * 8)
    feature_dim = 256
    channels, size = 3, 112

    def test_layers(self, model: AffectModel) -> None:
        convolutions = layers(model, nn.Conv2d)
        assert len(convolutions) == 29
        assert [i for i, conv in enumerate(convolutions) if conv.stride == (2, 2)] == [0, 7, 15, 21, 27]
        assert all((conv.stride == (1, 1)) == (conv.padding != (0, 0)) for conv in convolutions)


class TestLandmarksSmall(ModelTester):
    """Its trunk under a head of classes; tests/models/test_landmarks.py has its own task."""

    model_class = LandmarksSmall
    # convolutions: 9 * (1*32 + 32*64 + 64*64 + 64*128 + 3*128*128 + 128*192 + 192*192); batch norm: 2 * each
    trunk_parameters = 9 * (32 + 6144 + 8192 + 49_152 + 24_576 + 36_864) + 2 * (32 + 128 + 512 + 384)
    feature_dim = 192 * 3 * 3
    channels, size = 1, 64

    @classmethod
    def build(cls, **arguments: Any) -> AffectModel:
        return super().build(**{"task": "expression", **arguments})


class TestAlexNet(NetworkTester):
    model_class = AlexNet
    # conv: 34,944 + 307,456 + 885,120 + 663,936 + 442,624 = 2,334,080 (two groups in 2, 4 and 5)
    # fc: 9216 * 4096 + 4096 = 37,752,832 and 4096 * 4096 + 4096 = 16,781,312
    trunk_parameters = 2_334_080 + 37_752_832 + 16_781_312
    feature_dim = 4096
    channels, size = 3, 224

    def test_layers(self, model: AffectModel) -> None:
        convolutions = layers(model, nn.Conv2d)
        assert [conv.out_channels for conv in convolutions] == [96, 256, 384, 384, 256]
        assert [conv.groups for conv in convolutions] == [1, 2, 1, 2, 2]
        assert [fc.out_features for fc in layers(model, nn.Linear)] == [4096, 4096]
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.conv)
        assert kinds == "CRMLCRMLCRCRCRM"

    def test_has_the_published_size_for_imagenet(self) -> None:
        assert self.trunk_parameters + 1000 * (self.feature_dim + 1) == 60_965_224

    def test_normalisation_is_caffes(self, model: AffectModel) -> None:
        values = torch.rand(1, 96, 2, 2) * 100
        window = torch.stack([values[:, max(0, i - 2) : i + 3].square().sum(dim=1) for i in range(96)], dim=1)
        for layer in layers(model, nn.LocalResponseNorm):
            torch.testing.assert_close(layer(values), values / (1 + 1e-4 / 5 * window) ** 0.75)


@pytest.fixture
def other_preprocess() -> Preprocess:
    return Preprocess(size=64, color="gray", mean=(0.1,), std=(0.9,))


@pytest.mark.parametrize("new_head", [False, True])
def test_preprocessing_comes_with_the_weights(
    tmp_path: Path, other_preprocess: Preprocess, new_head: bool
) -> None:
    path = tmp_path / "model.safetensors"
    trained = DLPCNNSmall(labels="rafdb7", preprocess=other_preprocess)
    weights.write(path, trained.network_state(), trained.describe())
    loaded = DLPCNNSmall(labels="rafdb7", weights=str(path), new_head=new_head)
    assert loaded.preprocess == other_preprocess
    own = Preprocess(size=40, color="gray")
    loaded = DLPCNNSmall(labels="rafdb7", weights=str(path), new_head=new_head, preprocess=own)
    assert loaded.preprocess == own


# Registry

entries = pytest.mark.parametrize("entry", ARCHITECTURES.values(), ids=ARCHITECTURES)


@entries
def test_registry_names_the_class(entry: Architecture) -> None:
    assert entry.load_class().arch == entry.name


@entries
def test_recipe_trains_the_architecture(entry: Architecture) -> None:
    recipe = yaml.safe_load((RECIPES / entry.recipe).read_text(encoding="utf-8"))
    assert recipe["model"]["class_path"] == f"affectzoo.modules.{entry.load_class().__name__}"


def all_testers(kind: type[NetworkTester] = NetworkTester) -> Iterator[type[NetworkTester]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from all_testers(narrower)


@entries
def test_every_architecture_is_tested(entry: Architecture) -> None:
    assert test_families and test_clips  # their testers count as well
    tested = [getattr(tester, "model_class", None) for tester in all_testers()]
    assert entry.load_class() in [*tested, BaseDCNN]  # which is the network of DLP-CNN
