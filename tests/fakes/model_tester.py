"""The tests that every architecture passes; a test file subclasses ``ModelTester`` or ``NetworkTester``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from affectzoo import weights
from affectzoo.errors import LabelError, WeightsError
from affectzoo.labels import label_space
from affectzoo.models import AffectModel
from affectzoo.models.skeleton import skeleton
from affectzoo.modules import lightning_module
from affectzoo.registry import ARCHITECTURES

LABELS = "rafdb7"


def randomise(model: AffectModel) -> AffectModel:
    """Give every zero bias and running statistic a value of its own."""
    for name, tensor in model.network_state().items():
        if tensor.ndim == 1 and tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.5 if name.endswith("running_var") else 0, 1)
    return model


def layers(model: AffectModel, kind: type[torch.nn.Module]) -> list[Any]:
    """The trunk's layers of that kind, in order."""
    return [layer for layer in model.trunk.modules() if isinstance(layer, kind)]


class NetworkTester:
    """The tests of an architecture's network and its round trip; a subclass says what is to be tested.

    They are enough for networks of tens of millions of parameters, whose files take seconds to write.

    Attributes:
        model_class: The architecture.
        trunk_parameters: Values in its trunk, from the paper's layers.
        feature_dim: Length of its features.
        channels: Channels of its input, 1 or 3.
        size: Height and width of its input.
    """

    model_class: ClassVar[type[AffectModel]]
    trunk_parameters: ClassVar[int]
    feature_dim: ClassVar[int]
    channels: ClassVar[int]
    size: ClassVar[int]

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> AffectModel:
        return randomise(cls.build()).eval()

    @pytest.fixture(scope="class")
    @classmethod
    def file(cls, model: AffectModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        path = tmp_path_factory.mktemp("weights") / "model.safetensors"
        weights.write(path, model.network_state(), model.describe(), half=True)
        yield path
        path.unlink()

    @classmethod
    def build(cls, **arguments: Any) -> AffectModel:
        return cls.model_class(**{"labels": LABELS, **arguments})

    def images(self, batch: int) -> torch.Tensor:
        return torch.randn(batch, self.channels, self.size, self.size)

    def test_is_the_papers_size(self, model: AffectModel) -> None:
        trunk = sum(p.numel() for p in model.trunk.parameters())
        heads = sum(p.numel() for p in model.heads.parameters())
        assert trunk == self.trunk_parameters
        assert heads == (self.feature_dim + 1) * len(label_space(LABELS))

    def test_preprocessing_fits_the_input(self, model: AffectModel) -> None:
        assert (model.preprocess.channels, model.preprocess.size) == (self.channels, self.size)

    @torch.no_grad()
    def test_forward(self, model: AffectModel) -> None:
        images = self.images(3)
        output = model(images)
        assert output.features.shape == (3, self.feature_dim)
        assert output.expression.shape == (3, len(label_space(LABELS)))
        assert output.va is None
        assert output.expression.std(dim=0).min() > 0
        alone = model(images[:1])
        torch.testing.assert_close(alone.expression, output.expression[:1], rtol=1e-3, atol=1e-3)

    @torch.no_grad()
    def test_evaluation_is_deterministic(self, model: AffectModel) -> None:
        images = self.images(2)
        torch.testing.assert_close(model(images), model(images), rtol=0, atol=0)

    @pytest.mark.filterwarnings("ignore:You are trying to `self.log")
    def test_training_step_reaches_every_parameter(self) -> None:
        model = lightning_module(self.build().train())
        optimizer = model.optimizer.build(model.trunk, model.heads)
        labels = torch.tensor([0, 0, 1, 1])
        batch = {
            "image": self.images(4),
            "label": labels,
            "target": torch.eye(len(label_space(LABELS)))[labels],
            "index": torch.arange(4),
        }
        loss = model.training_step(batch, 0)
        loss.backward()
        assert loss.isfinite()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name
        optimizer.step()
        for name, parameter in model.named_parameters():
            assert parameter.isfinite().all(), name

    @torch.no_grad()
    def test_half_weights_round_trip(self, model: AffectModel, file: Path) -> None:
        with skeleton():  # as load does
            again = self.build(weights=str(file)).eval()
        images = self.images(2)
        found, expected = again(images).expression, model(images).expression
        torch.testing.assert_close(found, expected, rtol=0, atol=5e-3 * expected.abs().max().item())
        assert again.meta == model.describe()


class ModelTester(NetworkTester):
    """All of an architecture's tests, with more of its files."""

    @torch.no_grad()
    def test_weights_round_trip(self, model: AffectModel, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        weights.write(path, model.network_state(), model.describe(), half=False)
        again = self.build(weights=str(path)).eval()
        images = self.images(2)
        torch.testing.assert_close(again(images), model(images), rtol=0, atol=0)
        assert again.meta == model.describe()
        path.unlink()

    def test_other_labels_need_a_new_head(self, file: Path) -> None:
        with skeleton(), pytest.raises(LabelError, match=r"rafdb7.*affectnet7"):
            self.build(labels="affectnet7", weights=str(file))
        model = self.build(labels="affectnet7", weights=str(file), new_head=True)
        saved = weights.read_tensors(file)
        for name, tensor in model.network_state().items():
            assert torch.equal(tensor, saved[name]) != name.startswith("heads."), name
        assert model.meta is None

    def test_weights_of_another_architecture(self, model: AffectModel, tmp_path: Path) -> None:
        other = next(name for name in ARCHITECTURES if name != model.arch)
        meta = weights.WeightsMeta(other, model.labels.names, model.preprocess)
        weights.write(tmp_path / "other.safetensors", model.heads.state_dict(), meta)
        with pytest.raises(WeightsError, match=f"weights of {other}, not of {model.arch}$"):
            model.load_weights(tmp_path / "other.safetensors")

    def test_tensors_that_do_not_fit(self, model: AffectModel, tmp_path: Path) -> None:
        path = tmp_path / "wrong.safetensors"
        name = "heads.expression.bias"
        tensors = {**model.network_state(), name: torch.zeros(3), "extra": torch.zeros(1)}
        missing = next(iter(tensors))
        before = tensors.pop(missing).clone()
        weights.write(path, tensors, model.describe())
        with pytest.raises(WeightsError) as error:
            model.load_weights(path)
        assert str(error.value) == (
            f"{path}: tensors do not fit {model.arch}: {missing} is missing; extra is unknown; "
            f"{name} has shape (3,), expected (7,)"
        )
        assert torch.equal(model.network_state()[missing], before)
        path.unlink()
