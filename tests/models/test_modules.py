"""LightningModules made from the registry's networks, and what a plain model gives to other tools."""

from __future__ import annotations

import pickle

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

import affectzoo
from affectzoo import models, modules
from affectzoo.errors import OptionError
from affectzoo.modules import AffectModule, lightning_module, module_class
from affectzoo.modules.optim import OptimizerSettings
from affectzoo.registry import ARCHITECTURES


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
        torch.jit.trace(model.logits, faces),
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
