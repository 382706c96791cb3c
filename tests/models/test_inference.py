"""One way to run a model for inference: no mode, context or run before it changes what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes.model_tester import randomise
from torch import nn

import affectzoo
from affectzoo.benchmark.cost import cost
from affectzoo.datasets.index import FaceIndex
from affectzoo.evaluation.evaluate import evaluate
from affectzoo.models.base import AffectModel
from affectzoo.models.inference import inference
from affectzoo.zoo import golden

FACES = [np.random.default_rng(i).integers(0, 256, (48, 48, 3), dtype=np.uint8) for i in range(3)]


@pytest.fixture
def model() -> AffectModel:
    return randomise(affectzoo.create_model("dlp_cnn_s", labels="fer2013"))


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in model.named_modules()}


def predicted(model: AffectModel) -> object:
    return [r.probabilities for r in affectzoo.predict(FACES, model=model, detector="none")]


def evaluated(model: AffectModel) -> object:
    rows = [{"path": str(i), "pixels": face, "label": "fear"} for i, face in enumerate(FACES)]
    assert model.labels is not None
    found = evaluate(model, FaceIndex.from_rows("x", "nowhere", model.labels, rows))  # type: ignore[arg-type]
    return found["metrics"]["accuracy"], found["confusion"]


def sealed(model: AffectModel) -> object:
    return {name: tensor.tolist() for name, tensor in golden.make(model).items()}


def timed(model: AffectModel) -> object:
    return cost(model, batch_size=2)["flops"]


@pytest.mark.parametrize("run", [predicted, evaluated, sealed, timed])
def test_a_model_in_training_mode_says_the_same_and_does_not_change(model: AffectModel, run: object) -> None:
    assert callable(run)
    expected = run(model.eval())
    model.train()
    first = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    first.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    told = modes(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert run(model) == expected
    assert run(model) == expected
    assert modes(model) == told and not first.training
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    assert all(not parameter.is_inference() for parameter in model.parameters())


def test_modes_come_back_after_a_failure(model: AffectModel) -> None:
    model.train()
    with pytest.raises(ZeroDivisionError), inference(model):
        assert not any(modes(model).values())
        assert not torch.is_autocast_enabled("cpu") and torch.is_inference_mode_enabled()
        _ = 1 / 0
    assert all(modes(model).values()) and not torch.is_inference_mode_enabled()


def test_modules_without_tensors_can_run(model: AffectModel) -> None:
    with inference(nn.Dropout(0.5)) as nothing:
        assert nothing is None
