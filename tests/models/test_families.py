"""The VGG and ResNet families and CNN-M; landmarks, ImageNet weights and freezing, which they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from fakes.model_tester import ModelTester, NetworkTester, layers
from torch import nn

import affectzoo
from affectzoo import weights
from affectzoo.errors import AffectZooError, UnknownNameError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models import (
    CNNGRU,
    CNNM,
    VGG11BN,
    VGG16,
    AffectModel,
    ResNet18,
    ResNet50,
    ResNet152,
    VGGFace,
    VGGSmall,
    vgg,
)
from affectzoo.models.mobilenet_v1 import MobileNetV1Trunk
from affectzoo.models.timm_model import Timm as TimmModel
from affectzoo.models.timm_model import TimmTrunk
from affectzoo.models.vgg import VGGTrunk
from affectzoo.modules.freezing import freeze, frozen_batch_norm_to_eval
from affectzoo.weights import Start

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SYMMETRIC = {"mean": (0.5,), "std": (0.5,)}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(model_class: type[AffectModel], **arguments: Any) -> AffectModel:
    """A model without values, for its shapes."""
    with torch.device("meta"):
        return model_class(labels="rafdb7", **arguments)  # type: ignore[call-arg]


class SmallInputTester(NetworkTester):
    """Models of 224 px whose trunk takes 64 px as well, which is faster."""

    channels, size = 3, 64
    normalisation: dict[str, Any]

    @classmethod
    def build(cls, **arguments: Any) -> AffectModel:
        small = Preprocess(size=64, **cls.normalisation)
        model = super().build(**{"preprocess": small, **arguments})
        for norm in model.trunk.modules():  # timm starts residual branches at 0: no gradient yet
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                nn.init.ones_(norm.weight)
        return model

    def test_default_preprocessing(self) -> None:
        assert self.model_class.default_preprocess == Preprocess(size=224, **self.normalisation)


VGG16_CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
VGG16_KINDS = "CRCRM" * 2 + "CRCRCRM" * 3
# 9 * (3*64 + 64*64 + 64*128 + 128*128 + 128*256 + 2*256*256 + 256*512 + 5*512*512) + 4224 biases
VGG16_CONV = 14_714_688
# 9 * (3*64 + 64*128 + 128*256 + 256*256 + 256*512 + 3*512*512) + 2752 biases; batch norm: 2 * 2752
VGG11_CONV = 9_220_480 + 5_504
FC_4096 = 25088 * 4096 + 4096  # 102,764,544; 7 x 7 x 512 = 25088 values are behind the last pooling


def fully_connected(*units: int) -> int:
    return sum(a * b + b for a, b in zip((25088, *units), units, strict=False))


class VGGTester(SmallInputTester):
    """VGG networks; most tests take fewer units, which is faster."""

    feature_dim = 96
    kinds: str
    channels_out: tuple[int, ...]
    units: tuple[int, int]
    full_size: int

    @classmethod
    def build(cls, **arguments: Any) -> AffectModel:
        return super().build(**{"units": (128, 96), **arguments})

    @torch.no_grad()
    def test_full_size(self) -> None:
        model = on_meta(self.model_class).eval()
        assert parameters(model.trunk) == self.full_size
        fc = layers(model, nn.Linear)
        assert [layer.in_features for layer in fc] == [25088, self.units[0]]
        assert [layer.out_features for layer in fc] == [*self.units]
        features = model(torch.empty(1, 3, 224, 224, device="meta")).features
        assert features.shape == (1, self.units[1])

    def test_layers(self, model: AffectModel) -> None:
        convolutions = layers(model, nn.Conv2d)
        assert tuple(conv.out_channels for conv in convolutions) == self.channels_out
        assert {(c.kernel_size, c.stride, c.padding) for c in convolutions} == {((3, 3), (1, 1), (1, 1))}
        assert {(pool.kernel_size, pool.stride) for pool in layers(model, nn.MaxPool2d)} == {(2, 2)}
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.features)
        assert kinds == self.kinds
        assert [layer.p for layer in layers(model, nn.Dropout)] == [0.5, 0.5]


class TestVGGFace(VGGTester, ModelTester):
    model_class = VGGFace
    trunk_parameters = VGG16_CONV + fully_connected(128, 96)
    full_size = VGG16_CONV + FC_4096 + 4096 * 2048 + 2048  # 125,869,888
    normalisation = SYMMETRIC
    kinds, channels_out, units = VGG16_KINDS, VGG16_CHANNELS, (4096, 2048)


class TestVGG16(VGGTester):
    model_class = VGG16
    trunk_parameters = VGG16_CONV + fully_connected(128, 96)
    full_size = VGG16_CONV + FC_4096 + 4096 * 4096 + 4096  # 134,260,544
    normalisation = IMAGENET
    kinds, channels_out, units = VGG16_KINDS, VGG16_CHANNELS, (4096, 4096)

    def test_has_the_published_size_for_imagenet(self) -> None:
        assert self.full_size + 1000 * (4096 + 1) == 138_357_544


class TestVGG11BN(VGGTester):
    model_class = VGG11BN
    trunk_parameters = VGG11_CONV + fully_connected(128, 96)
    full_size = VGG11_CONV + FC_4096 + 4096 * 4096 + 4096  # 128,771,840; with the head "over 510 MB"
    normalisation = IMAGENET
    kinds = "CBRM" * 2 + "CBRCBRM" * 3
    channels_out, units = (64, 128, 256, 256, 512, 512, 512, 512), (4096, 4096)

    def test_has_the_published_size_for_imagenet(self) -> None:
        assert self.full_size + 1000 * (4096 + 1) == 132_868_840


class ResNetTester(SmallInputTester):
    """ResNets, at their full size."""

    normalisation = IMAGENET

    @torch.no_grad()
    def test_full_size(self, model: AffectModel) -> None:
        output = model(torch.randn(1, 3, 224, 224))
        assert output.features.shape == (1, self.feature_dim) and output.expression.isfinite().all()


class TestVGGSmall(ModelTester):
    model_class = VGGSmall
    # conv: 1,792 + 73,856 + 295,168 + 590,080 = 960,896; their batch norm: 2 * 704 = 1,408
    # fc: 256 * 14 * 14 * 128 + 128 = 6,422,656 and 128 * 64 + 64 = 8,256; their batch norm: 2 * 192 = 384
    trunk_parameters = 960_896 + 1_408 + 6_422_656 + 8_256 + 384  # 7,393,600
    feature_dim = 64
    channels, size = 3, 256

    def test_layers(self, model: AffectModel) -> None:
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.conv)
        assert kinds == "CRBM" + "CDRBM" + "CRBM" * 2
        assert "".join(type(layer).__name__[0] for layer in model.trunk.fc) == "LRBDLRB"
        assert [layer.p for layer in layers(model, nn.Dropout)] == [0.3, 0.25]
        assert {conv.padding for conv in layers(model, nn.Conv2d)} == {(0, 0)}


class TestCNNM(ModelTester):
    model_class = CNNM
    # conv: 14,112 + 614,400 + 1,179,648 + 2 * 2,359,296 = 6,526,752 without biases; batch norm: 2 * 1888
    trunk_parameters = 6_526_752 + 3_776 + fully_connected(96)
    feature_dim = 96
    channels, size = 3, 224

    @classmethod
    def build(cls, **arguments: Any) -> AffectModel:
        return super().build(**{"units": 96, **arguments})

    @torch.no_grad()
    def test_full_size(self) -> None:
        model = on_meta(CNNM).eval()
        assert parameters(model.trunk) == 6_526_752 + 3_776 + FC_4096  # 109,295,072
        assert model(torch.empty(1, 3, 224, 224, device="meta")).features.shape == (1, 4096)

    @torch.no_grad()
    def test_layers(self, model: AffectModel) -> None:
        assert [conv.out_channels for conv in layers(model, nn.Conv2d)] == [96, 256, 512, 512, 512]
        sides, image = [], torch.randn(1, 3, 224, 224)
        for layer in model.trunk.conv:
            image = layer(image)
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                sides.append(image.shape[-1])
        assert sides == [109, 54, 27, 14, 14, 14, 14, 7]

    def test_padding_is_tensorflows(self, model: AffectModel) -> None:
        # 'SAME' for 54 values, window 5, stride 2: 27 windows need 57 values, the third one is at the end
        (pad,) = layers(model, nn.ZeroPad2d)
        assert pad.padding == (1, 2, 1, 2)


class TestResNet18(ResNetTester, ModelTester):
    model_class = ResNet18
    trunk_parameters = 11_689_512 - 1000 * 513  # the published size for ImageNet without its classifier
    feature_dim = 512

    def test_arguments_are_written(self, tmp_path: Path) -> None:
        model = self.build(head_units=(12, 8), landmarks=True, dropout=0.1)
        weights.write(tmp_path / "model.safetensors", model.network_state(), model.describe())
        loaded = affectzoo.load(tmp_path / "model.safetensors")
        assert loaded.arguments == {"head_units": [12, 8], "landmarks": True, "dropout": 0.1}
        assert [fc.in_features for fc in layers(loaded, nn.Linear)] == [512 + 136, 12]
        assert [drop.p for drop in layers(loaded, nn.Dropout)] == [0.1, 0.1]


class TestResNet50(ResNetTester):
    model_class = ResNet50
    # the published size without its classifier; fc: 2048 * 1500 + 1500 and 1500 * 256 + 256
    trunk_parameters = 25_557_032 - 1000 * 2049 + 3_073_500 + 384_256  # 26,965,788
    feature_dim = 256

    def test_head_may_be_empty(self) -> None:
        model = on_meta(ResNet50, head_units=())
        assert parameters(model.trunk) == 23_508_032
        assert model.heads.expression.in_features == 2048

    def test_units_of_the_head(self, model: AffectModel) -> None:
        fc = layers(model, nn.Linear)
        assert [(layer.in_features, layer.out_features) for layer in fc] == [(2048, 1500), (1500, 256)]
        kinds = "".join(type(layer).__name__[0] for layer in model.trunk.fc)
        assert kinds == "LRDLRD"


@pytest.mark.slow  # the code of ResNet-50, which is tested each time
class TestResNet152(ResNetTester):
    model_class = ResNet152
    trunk_parameters = 60_192_808 - 1000 * 2049  # 58,143,808, "over 230 MB"
    feature_dim = 2048


# Landmarks

FUSED: dict[str, Callable[[], nn.Module]] = {
    "vgg": lambda: VGGTrunk(((4,), (8,)), (16, 8), landmarks=68),
    "vgg_without_head": lambda: VGGTrunk(((4,), (8,)), (), landmarks=68),
    "mobilenet": lambda: MobileNetV1Trunk(0.0, landmarks=68),
    "resnet": lambda: TimmTrunk("resnet18", (12, 8), landmarks=68),
    "resnet_without_head": lambda: TimmTrunk("resnet18", landmarks=68),
}
fused = pytest.mark.parametrize("build", FUSED.values(), ids=FUSED)


@fused
@torch.no_grad()
def test_landmarks_change_the_features(build: Callable[[], nn.Module]) -> None:
    trunk = build().eval()
    image = torch.randn(1, 3, 64, 64).expand(2, -1, -1, -1)
    landmarks = torch.rand(2, 68, 2) * 2 - 1
    features = trunk(image, landmarks)
    assert features.shape == (2, trunk.feature_dim)
    assert (features[0] - features[1]).abs().max() > 1e-3
    same = trunk(image, landmarks[:1].expand(2, -1, -1))
    torch.testing.assert_close(same[0], same[1])
    half = trunk.bfloat16()(image.bfloat16(), landmarks)
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_gradients_reach_the_fusion(name: str) -> None:
    trunk: Any = FUSED[name]()
    trunk.eval()(torch.randn(4, 3, 64, 64), torch.rand(4, 68, 2) * 2 - 1).sum().backward()
    first = next(layer for layer in trunk.fc if isinstance(layer, nn.Linear))
    of_landmarks = first.weight.grad[:, -136:]
    assert of_landmarks.shape[1] == 136 and (of_landmarks.abs().sum(dim=0) > 0).all()


@fused
def test_landmarks_that_do_not_fit(build: Callable[[], nn.Module]) -> None:
    trunk = build().eval()
    image = torch.randn(2, 3, 64, 64)
    with pytest.raises(AffectZooError, match=r"^landmarks are missing: this model takes 68 points"):
        trunk(image)
    for shape in ((2, 5, 2), (2, 136), (1, 68, 2)):
        with pytest.raises(AffectZooError, match=r"expected \(2, 68, 2\)"):
            trunk(image, torch.zeros(shape))


@pytest.mark.parametrize(
    ("model_class", "first"),
    [(VGGFace, 4096), (VGG16, 4096), (VGG11BN, 4096), (ResNet50, 1500)],
)
def test_landmarks_widen_the_first_layer(model_class: type[AffectModel], first: int) -> None:
    with_points, without = on_meta(model_class, landmarks=True), on_meta(model_class)
    assert (with_points.trunk.landmarks, without.trunk.landmarks) == (68, 0)
    assert parameters(with_points) - parameters(without) == 136 * first
    assert (with_points.arguments["landmarks"], without.arguments["landmarks"]) == (True, False)


def test_landmarks_join_pooled_features() -> None:
    assert on_meta(ResNet18, landmarks=True).trunk.feature_dim == 512 + 136


class TestTimm(ModelTester):
    model_class = TimmModel
    # the pooled network of mobilenetv3_small_100 without its classifier
    trunk_parameters = sum(
        p.numel() for p in timm.create_model("mobilenetv3_small_100", num_classes=0).parameters()
    )
    feature_dim = 1024
    channels, size = 3, 224


@pytest.mark.parametrize("task", ["expression", "va", "multitask"])
def test_any_backbone_of_timm(task: str, tmp_path: Path) -> None:
    labels = None if task == "va" else ["calm", "tense"]
    model = affectzoo.create_model("timm/test_convnext", task=task, labels=labels, landmarks=True)
    assert (model.arguments["backbone"], model.preprocess.size) == ("test_convnext", 160)
    output = model.eval()(torch.zeros(2, 3, 160, 160), torch.zeros(2, 68, 2))
    assert (output.expression is None, output.va is None) == (task == "va", task == "expression")
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), model.describe())
    assert affectzoo.load(path).arguments == model.arguments


def test_backbones_that_timm_does_not_have() -> None:
    with pytest.raises(UnknownNameError, match="convnext_tiny"):
        affectzoo.create_model("timm/convnext_tinny", task="va")


@pytest.mark.parametrize("backbone", ["vgg16", "timm/test_resnet"])
def test_backbones_of_recurrent_models(backbone: str) -> None:
    with torch.device("meta"):
        model = affectzoo.create_model("cnn_gru", task="va", backbone=backbone)
        output = model(torch.zeros(2, 3, 3, 64, 64), torch.zeros(2, 3, 68, 2))
    assert output.va is not None and output.va.shape == (2, 3, 2)


@pytest.mark.parametrize("backbone", ["vgg61", "timm/no_such_network"])
def test_backbones_that_recurrent_models_do_not_have(backbone: str) -> None:
    with pytest.raises(UnknownNameError, match=backbone.removeprefix("timm/")):
        affectzoo.create_model("cnn_gru", task="va", backbone=backbone)


# ImageNet weights


class Timm:
    """Stands for the network: ``timm.create_model`` gives random networks, whatever is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.made: list[nn.Module] = []
        self.more: dict[str, Any] = {}
        self.create = timm.create_model
        monkeypatch.setattr(timm, "create_model", self)

    def __call__(self, name: str, pretrained: bool, **arguments: Any) -> nn.Module:
        if pretrained:
            self.asked.append(name)
        self.made.append(self.create(name, pretrained=False, **arguments, **self.more))
        return self.made[-1]


@pytest.fixture
def fake_timm(monkeypatch: pytest.MonkeyPatch) -> Timm:
    return Timm(monkeypatch)


@torch.no_grad()
@pytest.mark.parametrize(
    "model_class",
    [VGG16, VGG11BN, ResNet18, ResNet50, pytest.param(ResNet152, marks=pytest.mark.slow)],
    ids=lambda c: c.arch,
)
def test_imagenet_weights_are_timms(fake_timm: Timm, model_class: type[AffectModel]) -> None:
    options: dict[str, Any] = {"head_units": ()} if model_class is ResNet50 else {}
    if issubclass(model_class, VGG16):  # of 128 units rather than 4096, in both
        fake_timm.more, options = {"mlp_ratio": 1 / 32}, {"units": (128, 4096)}
    model = model_class(labels="rafdb7", backbone_weights="imagenet", **options).eval()  # type: ignore[call-arg]
    assert fake_timm.asked == [f"{model_class.arch}.tv_in1k"]
    assert fake_timm.asked[0] in timm.list_pretrained(f"{model_class.arch}.*")
    assert "backbone_weights" not in model.arguments
    image = torch.randn(1, 3, 224, 224)
    expected = fake_timm.made[0].eval()(image)
    torch.testing.assert_close(model.trunk(image), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cached", [True, False])
def test_imagenet_weights_say_their_commit_and_terms(
    fake_timm: Timm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cached: bool
) -> None:
    def find(repository: str, name: str, revision: str | None = None) -> str | None:
        return str(tmp_path / ("c" * 40) / name) if cached and name == "model.safetensors" else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", find)
    frames = CNNGRU(task="va", backbone="resnet18", landmarks=False, backbone_weights="imagenet")
    for model in (ResNet18(task="va", backbone_weights="imagenet"), frames):
        told = model.describe()
        commit = f"@{'c' * 40}" if cached else ""
        assert told.training.started_from == f"hf-hub:timm/resnet18.tv_in1k{commit}"
        assert told.license["starting weights"] == "timm/resnet18.tv_in1k: bsd-3-clause, trained on ImageNet"


def test_imagenet_weights_are_not_fetched_for_other_weights(fake_timm: Timm, tmp_path: Path) -> None:
    model = ResNet18(labels="rafdb7", backbone_weights="imagenet")
    assert fake_timm.asked == ["resnet18.tv_in1k"]
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), model.describe())
    ResNet18(labels="rafdb7", backbone_weights="imagenet", weights=str(path))
    affectzoo.load(path)
    assert len(fake_timm.asked) == 1


@pytest.mark.parametrize("units", [(16, 16), (16, 8), (8, 16), (16,)])
def test_fully_connected_layers_start_from_imagenet_where_they_fit(
    monkeypatch: pytest.MonkeyPatch, units: tuple[int, ...]
) -> None:
    layout = ((4,), (8,))
    source = SimpleNamespace(
        features=vgg.conv_blocks(layout, batch_norm=False),
        pre_logits=SimpleNamespace(fc1=nn.Conv2d(8, 16, 7), fc2=nn.Conv2d(16, 16, 1)),
        pretrained_cfg={"hf_hub_id": "lab/some", "license": "mit"},
    )
    monkeypatch.setattr(vgg, "timm_network", lambda name, imagenet: source)
    trunk = VGGTrunk(layout, units, landmarks=68, imagenet="some")
    assert trunk.start == Start("hf-hub:lab/some", {"starting weights": "lab/some: mit, trained on ImageNet"})
    own_layers = [layer for layer in trunk.fc if isinstance(layer, nn.Linear)]
    assert len(own_layers) == len(units)
    first_fits, second_fits = units[0] == 16, units == (16, 16)
    for own, theirs, expected in zip(
        own_layers,
        (source.pre_logits.fc1, source.pre_logits.fc2),
        (first_fits, second_fits),
        strict=False,
    ):
        weight = theirs.weight.flatten(1)
        assert (
            own.weight.shape[0] == 16 and torch.equal(own.weight[:, : weight.shape[1]], weight)
        ) == expected
        assert (own.bias.shape == theirs.bias.shape and torch.equal(own.bias, theirs.bias)) == expected
    assert own_layers[0].weight[:, -136:].std() > 0.001


@pytest.mark.parametrize("model_class", [VGG16, ResNet18])
def test_imagenet_weights_that_cannot_be_fetched(
    monkeypatch: pytest.MonkeyPatch, model_class: type[AffectModel]
) -> None:
    def offline(name: str, **arguments: Any) -> nn.Module:
        raise RuntimeError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    said = rf"ImageNet weights of {model_class.arch} .*no route to host.*backbone_weights=None"
    with torch.device("meta"), pytest.raises(WeightsError, match=said):
        model_class(labels="rafdb7", backbone_weights="imagenet")  # type: ignore[call-arg]


# Freezing


def trained(trunk: nn.Module) -> list[str]:
    return [name for name, parameter in trunk.named_parameters() if parameter.requires_grad]


@pytest.fixture
def trunk() -> nn.Module:
    blocks = [nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(5)]
    return nn.Sequential(*blocks)


@pytest.mark.parametrize(
    ("what", "layers"),
    [("none", 10), ("trunk", 0), (1, 10), (0.2, 2), (0.5, 5), (0.21, 3), (0.01, 1), (0.3, 3)],
)
def test_freeze_keeps_the_last_layers(trunk: nn.Module, what: Any, layers: int) -> None:
    names = [
        f"{block}.{layer}.{part}" for block in range(5) for layer in (0, 1) for part in ("weight", "bias")
    ]
    freeze(trunk, 0.1)
    freeze(trunk, what)
    assert trained(trunk) == names[len(names) - 2 * layers :]


def test_freeze_by_a_fifth_of_resnet_50() -> None:
    with torch.device("meta"):
        trunk = TimmTrunk("resnet50")
    freeze(trunk, 0.2)
    # 53 convolutions and as many batch norms: 22 of 106, of which layer4 holds 8 + 6 + 6
    expected = [n for n, _ in trunk.named_parameters() if n.startswith("body.layer4.")]
    assert (
        trained(trunk)
        == [f"body.layer3.5.{n}" for n in ("conv3.weight", "bn3.weight", "bn3.bias")] + expected
    )


@pytest.mark.parametrize("what", [0, 1.5, -0.2, float("nan")])
def test_freeze_refuses_other_shares(trunk: nn.Module, what: float) -> None:
    with pytest.raises(AffectZooError, match="expected 0 < share <= 1"):
        freeze(trunk, what)


def test_freeze_refuses_other_words(trunk: nn.Module) -> None:
    with pytest.raises(UnknownNameError, match="did you mean trunk"):
        freeze(trunk, "trnk")  # type: ignore[arg-type]


def test_frozen_batch_norm_keeps_its_statistics(trunk: nn.Module) -> None:
    freeze(trunk, 0.4)
    trunk.train()
    frozen_batch_norm_to_eval(trunk)
    trunk(torch.randn(8, 3, 4, 4) + 3)
    norms = [layer for layer in trunk.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [norm.training for norm in norms] == [False] * 3 + [True] * 2
    assert [bool(norm.running_mean.any()) for norm in norms] == [False] * 3 + [True] * 2
    assert trunk.training


def test_batch_norm_is_trained_where_nothing_is_frozen(trunk: nn.Module) -> None:
    freeze(trunk, "none")
    trunk.train()
    frozen_batch_norm_to_eval(trunk)
    assert all(layer.training for layer in trunk.modules())
