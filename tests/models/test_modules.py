"""LightningModules made from the registry's networks, and what a plain model gives to other tools."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

import affectzoo
from affectzoo import models, modules, weights
from affectzoo.errors import AffectZooError, LabelError, OptionError, WeightsError
from affectzoo.faces.preprocess import Preprocess, PreprocessChange
from affectzoo.labels import label_space
from affectzoo.losses.features import FeatureLoss
from affectzoo.metrics.predictions import Predicted
from affectzoo.models.skeleton import skeleton
from affectzoo.modules import AffectModule, lightning_module, module_class
from affectzoo.modules.optim import OptimizerSettings, Schedule
from affectzoo.registry import ARCHITECTURES
from affectzoo.sample import GroundTruth
from affectzoo.tasks.va import VALoss, VALossName

DROPPING = sorted(n for n in ARCHITECTURES if "dropout" in ARCHITECTURES[n].load_class().own_arguments())


@pytest.mark.parametrize("name", DROPPING)
@pytest.mark.parametrize("share", [float("nan"), float("inf"), -0.1, 1.0, 1.5, "0.5", True])
def test_dropout_is_a_share(name: str, share: Any) -> None:
    with skeleton(), pytest.raises(OptionError, match=r"dropout is "):
        affectzoo.create_model(name, labels=["a", "b"], dropout=share)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("cnn_gru", {"units": -1}), ("cnn_m", {"units": -1}), ("resnet18", {"head_units": (-1,)})],
)
def test_a_size_that_torch_refuses_is_an_error_of_ours(name: str, arguments: dict[str, Any]) -> None:
    with skeleton(), pytest.raises(OptionError, match=name):
        affectzoo.create_model(name, labels=["a", "b"], **arguments)


def test_renamed_classes_are_predicted_and_saved(tmp_path: Path) -> None:
    model = affectzoo.load("dlp_cnn_s.ferplus")
    names = [f"class {number}" for number in range(8)]
    model.labels = label_space(names)
    face = np.zeros((48, 48, 3), np.uint8)
    (found,) = affectzoo.predict([face], model=model, detector="none")
    again = affectzoo.load(model.save_pretrained(tmp_path / "renamed"))
    assert list(found.probabilities) == names
    assert again.labels is not None and list(again.labels.names) == names
    with pytest.raises(LabelError, match="scores 8 classes, 2 names"):
        model.labels = label_space(["a", "b"])
    with pytest.raises(LabelError, match="scores 8 classes, 0 names"):
        model.labels = None


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_the_factor_of_valence_and_arousal_is_none_below_0(weight: float) -> None:
    with pytest.raises(OptionError, match="va_weight"):
        modules.DLPCNNSmall(labels="rafdb7", va_weight=weight)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_its_module(name: str) -> None:
    network = ARCHITECTURES[name].load_class()
    made = module_class(name)
    assert issubclass(made, network) and issubclass(made, AffectModule) and issubclass(made, LightningModule)
    assert not issubclass(network, LightningModule)
    assert made is getattr(modules, network.__name__) and network.__name__ in dir(modules)
    assert pickle.loads(pickle.dumps(made)) is made


def test_other_names_are_no_modules() -> None:
    with pytest.raises(AttributeError, match="NoSuch"):
        _ = modules.NoSuch


def test_a_loaded_models_module_shares_its_tensors() -> None:
    model = affectzoo.load("dlp_cnn_s.ferplus")
    made = lightning_module(model, optimizer=OptimizerSettings(lr=0.5), frozen="trunk")
    assert made.optimizer.lr == 0.5 and made.meta is model.meta and made.preprocess == model.preprocess
    assert made.labels == model.labels and made.training
    assert not any(parameter.requires_grad for parameter in made.trunk.parameters())
    assert made.network_state().keys() == model.state_dict().keys()
    for name, tensor in made.network_state().items():
        assert tensor.data_ptr() == model.state_dict()[name].data_ptr()
    with torch.no_grad():
        made.heads["expression"].bias.add_(1)  # type: ignore[operator, union-attr]
    assert torch.equal(made.network_state()["heads.expression.bias"], model.heads["expression"].bias)


@pytest.mark.parametrize("va_loss", get_args(VALossName))
def test_the_loss_of_an_evaluation_is_computed_without_the_other_processes(
    va_loss: VALossName, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = modules.DLPCNNSmall(task="multitask", labels=["calm", "tense"], va_loss=VALoss(va_loss))
    scores, va, label = torch.randn(9, 2), torch.rand(9, 2), torch.arange(9) % 2
    truth = GroundTruth(label, torch.eye(2)[label], torch.rand(9, 2), torch.full((9,), -1))
    none = torch.empty(9, 0)
    predicted = Predicted(torch.arange(9), truth.clip, label, truth.va, scores, va, none, none)
    expected = made._loss(predicted, truth)

    def send(*_: object) -> None:
        raise AssertionError("sent from the CPU, which NCCL cannot")

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    for name in ("all_reduce", "all_gather", "broadcast"):
        monkeypatch.setattr(torch.distributed, name, send)
    assert torch.equal(made._loss(predicted, truth), expected)


def test_a_module_knows_the_arguments_of_both() -> None:
    made = modules.DLPCNNSmall(labels="rafdb7", dropout=0.25, va_weight=2.0)
    assert made.arguments == {"dropout": 0.25} and made.va_weight == 2.0
    with pytest.raises(TypeError, match="drop_out"):
        modules.DLPCNNSmall(labels="rafdb7", drop_out=0.25)
    with pytest.raises(TypeError, match="va_weight"):
        models.DLPCNNSmall(labels="rafdb7", va_weight=2.0)


def test_logits_are_one_tensor_for_tracing_and_export() -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="multitask", labels="rafdb7").eval()
    faces = torch.randn(2, 1, 48, 48)
    output = model(faces)
    expected = torch.cat([output.expression, output.va], dim=1)
    torch.testing.assert_close(model.logits(faces), expected)
    for tool in (
        torch.jit.trace(model.as_logits(), faces),
        torch.export.export(model.as_logits(), (faces,)).module(),
    ):
        torch.testing.assert_close(tool(faces), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_faces_are_brought_to_the_models_kind_of_numbers(dtype: torch.dtype) -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels="rafdb7").eval()
    faces = torch.randn(2, 1, 48, 48)
    with torch.inference_mode():
        expected = model(faces).expression
        found = model.to(dtype)(faces).expression
    assert found.dtype == dtype == model.dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


def test_whole_numbers_are_no_prepared_faces() -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels="rafdb7")
    with pytest.raises(OptionError, match=r"torch\.uint8"):
        model(torch.zeros(1, 1, 48, 48, dtype=torch.uint8))


def test_plain_models_are_plain() -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels="rafdb7")
    assert isinstance(model, nn.Module) and not isinstance(model, LightningModule)
    assert all(name.startswith(("trunk.", "heads.")) for name in model.state_dict())


def quiet() -> Trainer:
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", enable_model_summary=False, **options)


def faces(model: AffectModule) -> list[dict[str, Any]]:
    size = model.preprocess.size
    return [{"image": torch.zeros(1, model.preprocess.channels, size, size)}]


@pytest.mark.parametrize("evaluate", ["validate", "test"])
def test_a_head_that_was_never_trained_is_not_measured(evaluate: str) -> None:
    model = modules.DLPCNNSmall(labels=["calm", "tense"], weights="ferplus", new_head=True)
    assert model.drawn_head
    with pytest.raises(OptionError, match="new_head"):
        getattr(quiet(), evaluate)(model, faces(model), verbose=False)
    model.on_fit_end()
    assert not model.drawn_head


@pytest.mark.parametrize(("arch", "window"), [("cnn_gru", 0), ("cnn_lstm", 0), ("resnet18", 4)])
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_windows_are_for_models_of_windows(arch: str, window: int, stage: str) -> None:
    class Data:
        pass

    data: Any = Data()
    data.window = data.eval_window = window
    with torch.device("meta"):
        model = module_class(arch)(task="va")
    trainer: Any = quiet()
    trainer.datamodule = data
    model.trainer = trainer
    with pytest.raises(OptionError, match=r"--data\.window"):
        model._check_window(stage)
    data.window, data.eval_window = (4, 8) if model.sequence else (0, 0)
    model._check_window("fit")
    assert model.window == data.eval_window


def test_clips_are_refused_by_models_of_faces() -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels="rafdb7")
    with pytest.raises(OptionError, match=r"single faces.*\(1, 4, 1, 48, 48\)"):
        model(torch.zeros(1, 4, 1, 48, 48))


def test_images_are_refused_for_models_of_clips() -> None:
    preprocess = Preprocess(size=32)
    model = affectzoo.create_model(
        "cnn_gru", task="va", backbone="resnet18", landmarks=False, preprocess=preprocess
    )
    with pytest.raises(affectzoo.AffectZooError, match="cnn_gru reads videos"):
        affectzoo.predict([torch.zeros(32, 32, 3, dtype=torch.uint8).numpy()], model, "none")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    model = affectzoo.create_model("dlp_cnn_s", labels="rafdb7")
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), model.describe())
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    tensors["trunk.fc.bias"][3] = value
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=r"trunk\.fc\.bias holds values that are not finite"):
        affectzoo.load(path)


def test_one_field_of_the_preprocessing_changes_alone() -> None:
    change = PreprocessChange(size=96)
    from_weights = models.DLPCNNSmall(labels="ferplus8", weights="ferplus", preprocess=change)
    own = affectzoo.load("dlp_cnn_s.ferplus").preprocess
    assert from_weights.preprocess.to_dict() == {**own.to_dict(), "size": 96}
    with torch.device("meta"):
        alexnet = models.AlexNet(labels="rafdb7", preprocess=change)
    assert (alexnet.preprocess.size, alexnet.preprocess.resize) == (96, 110)
    assert alexnet.preprocess.std == models.AlexNet.default_preprocess.std
    with pytest.raises(OptionError, match=r"PreprocessChange\(size=96\)"):
        affectzoo.create_model("dlp_cnn_s", labels="rafdb7", preprocess={"size": 96})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize(
    ("settings", "name"),
    [
        *((OptimizerSettings, name) for name in ("lr", "trunk_lr", "momentum", "weight_decay")),
        *((OptimizerSettings, "head_weight_decay"), (Schedule, "gamma"), (Schedule, "warmup")),
        *((FeatureLoss, "weight"), (FeatureLoss, "rate")),
    ],
)
def test_settings_are_finite(settings: type[Any], name: str, number: float) -> None:
    with pytest.raises(AffectZooError, match=f"{name} {number}"):
        settings(**{name: number})
