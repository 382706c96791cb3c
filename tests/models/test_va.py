"""Valence and arousal: losses, metrics, tasks, and models with several heads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from fakes import picture, write_ferplus

import affectzoo
from affectzoo import modules, weights
from affectzoo.datamodules import FERPlus
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.errors import AffectZooError, LabelError, OptionError, UnknownNameError, WeightsError
from affectzoo.evaluation.evaluate import Pass, evaluate, evaluation_table
from affectzoo.faces.preprocess import Preprocess
from affectzoo.inference.prediction import predict
from affectzoo.labels import SPACES
from affectzoo.losses.va import ccc, ccc_loss, mse_loss
from affectzoo.metrics.va import VAMetrics
from affectzoo.modules import lightning_module
from affectzoo.tasks.va import VALoss, VATask

NAN = float("nan")


def literal_ccc(p: np.ndarray, t: np.ndarray) -> float:
    """Lin's coefficient with population moments, in float64."""
    known = np.isfinite(t)
    p, t = p[known].astype(np.float64), t[known].astype(np.float64)
    covariance = ((p - p.mean()) * (t - t.mean())).mean()
    return float(2 * covariance / (p.var() + t.var() + (p.mean() - t.mean()) ** 2))


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def random_values(n: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(n, 2, generator=generator) * 2 - 1
    prediction = 0.6 * target + 0.2 * torch.randn(n, 2, generator=generator) + 0.1
    target[::7, 0] = NAN
    target[::5, 1] = NAN
    return prediction, target


def test_training_on_the_data_sets_own_scale_is_that_of_labels_on_it() -> None:
    """Ulloa Rodriguez's way: 10 times the labels, plain SGD; what is saved has outputs in [-1, 1]."""
    own = {"task": "va", "preprocess": Preprocess(size=32), "units": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = modules.CNNM(va_loss=VALoss(scale=10.0), **own)
    trunk, head = copy.deepcopy(module.trunk), torch.nn.Linear(8, 2)
    module.trunk, trunk = torch.nn.Linear(6, 8), torch.nn.Linear(6, 8)
    module.trunk.load_state_dict(trunk.state_dict())
    with torch.no_grad():
        head.weight.copy_(module.heads["va"].weight)
        head.bias.copy_(module.heads["va"].bias)
    mine = torch.optim.SGD([*module.trunk.parameters(), *module.heads.parameters()], 1e-3, 0.9)
    theirs = torch.optim.SGD([*trunk.parameters(), *head.parameters()], 1e-3, 0.9)
    inputs, labels = torch.randn(16, 6), torch.rand(16, 2) * 2 - 1
    for _ in range(5):
        loss = module.tasks[0].loss(module.heads["va"](module.trunk(inputs)), {"va": labels})
        plain = ((head(trunk(inputs)) - 10 * labels) ** 2).mean()
        assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
        for optimizer, value in ((mine, loss), (theirs, plain)):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    torch.testing.assert_close(module.trunk.weight, trunk.weight)
    with torch.no_grad():
        said = module.heads["va"](module.trunk(inputs))
        torch.testing.assert_close(said, head(trunk(inputs)) / 10)
    saved = torch.nn.Linear(8, 2)
    saved.load_state_dict(module.heads["va"].state_dict())
    with torch.no_grad():
        torch.testing.assert_close(saved(module.trunk(inputs)), said)
    raw = module.heads["va"].weight.detach().clone()
    module.load_state_dict(module.state_dict())
    torch.testing.assert_close(module.heads["va"].weight.detach(), raw)


def test_a_trained_head_goes_on_from_where_it_was_on_another_scale(tmp_path: Path) -> None:
    model = affectzoo.create_model("resnet18", task="va", preprocess=Preprocess(size=32))
    path = tmp_path / "x.safetensors"
    weights.write(path, model.network_state(), model.describe(), half=False)
    common = {"task": "va", "va_loss": VALoss(scale=10.0), "weights": str(path)}
    image = torch.randn(2, 3, 32, 32)
    module = modules.ResNet18(**common).eval()
    with torch.no_grad():
        torch.testing.assert_close(module(image).va, model.eval()(image).va)
    assert weights.fingerprint(module.network_state()) == weights.fingerprint(model.network_state())
    with pytest.raises(OptionError):
        lightning_module(model, va_loss=VALoss(scale=10.0))
    with pytest.raises(OptionError):
        VALoss(scale=0.0)


def test_ccc_by_hand() -> None:
    # means 1/3 and 2/3, variances 2/9 and 2/9, covariance 1/9: 2/9 / (4/9 + 1/9) = 0.4
    assert ccc(column(0, 0, 1), column(0, 1, 1)).item() == pytest.approx(0.4)
    assert ccc(column(-1, 0, 1), column(1, 0, -1)).item() == pytest.approx(-1)
    assert ccc(column(-0.5, 0.5), column(-0.5, 0.5)).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("prediction", "target"),
    [([0.3, 0.3], [0.3, 0.3]), ([0.3, 0.3], [0.1, 0.5]), ([0.4], [0.4]), ([0.4], [0.1]), ([0.2], [NAN])],
)
def test_ccc_without_spread_is_zero_with_a_gradient(prediction: list[float], target: list[float]) -> None:
    predicted = column(*prediction).requires_grad_()
    value = ccc(predicted, column(*target))
    assert value.item() == 0
    ccc_loss(predicted, column(*target)).backward()
    assert predicted.grad is not None and predicted.grad.isfinite().all()
    metric = VAMetrics(["valence"])
    metric.update(column(*prediction), column(*target))
    values = metric.compute()
    assert values["ccc"] == values["pcc_valence"] == 0 and all(v.isfinite() for v in values.values())


def test_losses_leave_out_what_is_unknown() -> None:
    prediction, target = random_values()
    expected = [literal_ccc(prediction[:, i].numpy(), target[:, i].numpy()) for i in (0, 1)]
    torch.testing.assert_close(ccc(prediction, target), torch.tensor(expected), rtol=1e-5, atol=0)
    assert ccc_loss(prediction, target).item() == pytest.approx(1 - np.mean(expected), rel=1e-5)
    errors = np.nanmean((prediction - target).numpy() ** 2, axis=0)
    assert mse_loss(prediction, target).item() == pytest.approx(errors.sum() / 2, rel=1e-5)
    one = target.clone()
    one[:, 1] = NAN  # a column without any value leaves the loss to the other
    assert ccc_loss(prediction, one).item() == pytest.approx(1 - expected[0], rel=1e-5)


def test_gradients_of_unknown_values_are_zero() -> None:
    prediction, target = random_values()
    for loss in (ccc_loss, mse_loss):
        leaf = prediction.clone().requires_grad_()
        loss(leaf, target).backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all()
        assert (leaf.grad == 0).equal(target.isnan())


def test_epoch_metrics_are_exact_whatever_the_batches() -> None:
    prediction, target = random_values(1000)
    metric = VAMetrics()
    for p, t in zip(prediction.split([1, 500, 499]), target.split([1, 500, 499]), strict=True):
        metric.update(p, t)
    values = metric.compute()
    expected = {}
    for i, name in enumerate(("valence", "arousal")):
        known = target[:, i].isfinite().numpy()
        p, t = prediction[:, i].double().numpy()[known], target[:, i].double().numpy()[known]
        expected[f"ccc_{name}"] = literal_ccc(p, t)
        expected[f"pcc_{name}"] = np.corrcoef(p, t)[0, 1]
        expected[f"icc_{name}"] = 2 * np.cov(p, t, ddof=0)[0, 1] / (p.var() + t.var())
        expected[f"mse_{name}"] = ((p - t) ** 2).mean()
        expected[f"rmse_{name}"] = np.sqrt(expected[f"mse_{name}"])
        expected[f"sagr_{name}"] = (np.sign(p) == np.sign(t)).mean()
    expected["ccc"] = (expected["ccc_valence"] + expected["ccc_arousal"]) / 2
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected, abs=1e-6)
    parts = zip(prediction.split(10), target.split(10), strict=True)
    averaged = np.mean([ccc(p, t).mean().item() for p, t in parts])
    assert abs(averaged - expected["ccc"]) > 0.01  # the mean of batches' CCCs is another number


def test_zero_is_a_sign_of_its_own() -> None:
    metric = VAMetrics(["valence"])
    metric.update(column(0.0, 0.0, 0.5, -0.5), column(0.0, 0.4, 0.1, -0.1))
    assert metric.compute()["sagr_valence"] == 0.75


@pytest.mark.parametrize(("name", "share"), [("mse", 0.0), ("ccc", 1.0), ("mix", 0.3)])
def test_task_mixes_the_losses(name: str, share: float) -> None:
    prediction, target = random_values()
    task = VATask(VALoss(name, ccc_weight=share))  # type: ignore[arg-type]
    expected = share * ccc_loss(prediction, target) + (1 - share) * mse_loss(prediction, target)
    torch.testing.assert_close(task.loss(prediction, {"va": target}), expected)


def test_single_dimension_takes_its_own_column() -> None:
    prediction, target = random_values()
    task = VATask(VALoss("mse"), ["arousal"])
    expected = mse_loss(prediction[:, 1:], target[:, 1:])
    torch.testing.assert_close(task.loss(prediction[:, 1:], {"va": target}), expected)


def test_wrong_settings() -> None:
    with pytest.raises(UnknownNameError, match="va_loss"):
        VALoss("huber")  # type: ignore[arg-type]
    with pytest.raises(AffectZooError, match="expected 0 to 1"):
        VALoss("mix", 1.5)
    with pytest.raises(LabelError, match="feature_loss locality needs classes"):
        from affectzoo.losses.features import FeatureLoss

        lightning_module(affectzoo.create_model("dlp_cnn_s", task="va"), feature_loss=FeatureLoss("locality"))


# Models


@pytest.fixture
def faces() -> FaceIndex:
    """Faces with both labels, with one of them, and with neither."""
    random = np.random.default_rng(0)
    space = SPACES["affectnet8"]
    rows = []
    for i in range(12):
        row = {"path": str(i), "split": "test", "pixels": picture(random, 48, 48), "source": f"row {i}"}
        if i % 3 != 1:
            row |= {"label": space.names[i % 8], "target": one_hot(space, space.names[i % 8])}
        if i % 3 != 2:
            row |= {"valence": random.uniform(-1, 1), "arousal": random.uniform(-1, 1)}
        rows.append(row)
    return FaceIndex.from_rows("both", Path("nowhere"), space, rows)


@pytest.mark.parametrize(
    ("task", "outputs"),
    [("expression", (8, None)), ("va", (None, 2)), ("arousal", (None, 1)), ("multitask", (8, 2))],
)
def test_every_task_builds_trains_and_reloads(
    task: str, outputs: tuple[int | None, int | None], faces: FaceIndex, tmp_path: Path
) -> None:
    labels = "affectnet8" if outputs[0] else None
    model = affectzoo.create_model("dlp_cnn_s", task=task, labels=labels).eval()
    output = model(torch.randn(2, 1, 48, 48))
    sizes = [None if head is None else head.shape[1] for head in (output.expression, output.va)]
    assert tuple(sizes) == outputs
    record = evaluate(model, faces, Pass(5))
    counts = record["faces"]["annotated"]
    assert ("ccc" in record["metrics"]) == (outputs[1] == 2) and ("confusion" in record) == bool(outputs[0])
    assert counts == {name: 8 for name in counts}, "a third of the faces lacks it"
    assert record["faces"]["total"] == (12 if task == "multitask" else 8)
    if outputs[0]:
        assert sum(map(sum, record["confusion"])) == 8
    assert evaluation_table(record, "title").row_count > 0
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), model.describe(), half=False)
    again = affectzoo.load(path)
    assert again.task_name == task
    torch.testing.assert_close(again(torch.ones(1, 1, 48, 48)), model(torch.ones(1, 1, 48, 48)))


def test_multitask_loss_counts_what_each_face_has(faces: FaceIndex) -> None:
    from affectzoo.datamodules.dataset import FaceDataset, collate
    from affectzoo.datamodules.transforms import FaceTransform

    model = affectzoo.create_model("dlp_cnn_s", task="multitask", labels="affectnet8")
    model = lightning_module(model, va_weight=0.5).eval()
    dataset = FaceDataset(faces, FaceTransform(model.preprocess))
    batch = collate([dataset[i] for i in range(12)])
    output, _ = model.predict_batch(batch)
    terms = model.loss_terms(output, batch)
    named = [i for i in range(12) if i % 3 != 1]
    assert output.expression is not None and output.va is not None
    expected = torch.nn.functional.cross_entropy(output.expression[named], batch["label"][named])
    torch.testing.assert_close(terms["expression"], expected)
    rated = [i for i in range(12) if i % 3 != 2]
    torch.testing.assert_close(terms["va"], 0.5 * mse_loss(output.va[rated], batch["va"][rated]))
    unlabelled = collate([dataset[i] for i in (1, 4)])
    terms = model.train().loss_terms(*model.predict_batch(unlabelled))
    assert terms["expression"] == 0 and terms["va"] > 0
    sum(terms.values()).backward()  # type: ignore[union-attr]


def test_data_without_classes_suit_only_va_models(faces: FaceIndex) -> None:
    from dataclasses import replace

    plain = faces.table.assign(label=None, target=None)
    unnamed = replace(faces, labels=None, table=plain.astype({"label": object, "target": object}))
    assert evaluate(affectzoo.create_model("dlp_cnn_s", task="va").eval(), unnamed)["faces"]["total"] == 8
    with pytest.raises(LabelError, match=r"no expression classes.*--model.task va"):
        evaluate(affectzoo.create_model("dlp_cnn_s", labels="affectnet8").eval(), unnamed)


def test_weights_of_another_task_are_refused(tmp_path: Path) -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="va")
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), model.describe())
    with pytest.raises(WeightsError, match="weights for task va, but the model is for valence"):
        affectzoo.create_model("dlp_cnn_s", task="valence", weights=str(path))


def test_predictions_carry_valence_and_arousal() -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="multitask", labels="affectnet8").eval()
    random = np.random.default_rng(0)
    crops = [picture(random, 48, 48, 3) for _ in range(3)]
    results = predict(crops, model, "none")
    with torch.no_grad():
        expected = model(torch.stack([model.preprocess(c) for c in crops])).va.clamp(-1, 1)
    rows = [result.to_row() for result in results]
    found = [[row["valence"], row["arousal"]] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [r.label for r in results] == [row["label"] for row in rows]
    single = predict(crops[:1], affectzoo.create_model("dlp_cnn_s", task="valence").eval(), "none")[0]
    assert single.valence is not None and single.arousal is None and single.label is None


def test_frozen_trunk_stays_as_it_is_through_a_training_step() -> None:
    model = lightning_module(affectzoo.create_model("dlp_cnn_s", num_classes=2), frozen="trunk").train()
    before = {name: tensor.clone() for name, tensor in model.network_state().items()}
    labels = torch.tensor([0, 1, 1])
    batch = {"image": torch.randn(3, 1, 48, 48), "label": labels, "target": torch.eye(2)[labels]}
    optimizer = model.optimizer.build(model.trunk, model.heads)
    output, batch = model.predict_batch(batch)
    torch.stack(list(model.loss_terms(output, batch).values())).sum().backward()
    optimizer.step()
    changed = {n for n, tensor in model.network_state().items() if not torch.equal(tensor, before[n])}
    assert changed == {"heads.expression.weight", "heads.expression.bias"}
    part = lightning_module(affectzoo.create_model("dlp_cnn_s", num_classes=2), frozen=0.2)
    trained = {name.split(".")[1] for name, p in part.trunk.named_parameters() if p.requires_grad}
    assert any(p.requires_grad for p in part.trunk.fc.parameters()) and "0" not in trained


def test_frozen_layers_never_keep_a_random_start(tmp_path: Path) -> None:
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = {"max_steps": 1, "limit_val_batches": 0, "accelerator": "cpu", **quiet}
    random_trunk = lightning_module(affectzoo.create_model("dlp_cnn_s", labels="ferplus8"), frozen="trunk")
    data = FERPlus(str(write_ferplus(tmp_path / "data")), preprocess=random_trunk.preprocess, num_workers=0)
    with pytest.raises(AffectZooError, match=r"keep their random start: name --model\.weights"):
        pl.Trainer(**trainer).fit(random_trunk, datamodule=data)
    trained = lightning_module(affectzoo.load("dlp_cnn_s.ferplus"), frozen="trunk")
    pl.Trainer(**trainer).fit(trained, datamodule=data)
