"""Calibration: the temperature is found, the head computes with it, what is known of the classes is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import write_ferplus

import affectzoo
from affectzoo import weights
from affectzoo.cli import main
from affectzoo.datasets.ids import sketch, told_apart
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError, LabelError, OptionError, WeightsError
from affectzoo.evaluation import calibration, source
from affectzoo.evaluation.calibration import calibrate
from affectzoo.metrics.predictions import Predicted
from affectzoo.models.base import AffectModel
from affectzoo.training.provenance import trained_meta
from affectzoo.zoo.loading import write_sealed

CLASSES = 8
SHARES = torch.tensor([0.3, 0.2, 0.2, 0.1, 0.1, 0.04, 0.04, 0.02], dtype=torch.float64)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("calibration") / "ferplus", per_class=13, parts=("valid",))


@pytest.fixture
def index(root: Path) -> FaceIndex:
    return source.read("ferplus", root).part("valid")


@pytest.fixture
def model(tmp_path: Path) -> AffectModel:
    """A loaded one of random values."""
    torch.manual_seed(0)
    made = affectzoo.create_model("dlp_cnn_s", labels="ferplus8")
    path = tmp_path / "random.safetensors"
    write_sealed(path, made.network_state(), made.describe())
    return affectzoo.load(path)


def overconfident(factor: float, count: int = 20_000, clips: bool = False) -> Predicted:
    """Labels drawn by the probabilities of scores, which are then multiplied."""
    torch.manual_seed(1)
    scores = SHARES.log() + torch.randn(count, CLASSES, dtype=torch.float64)
    labels = torch.multinomial(scores.softmax(dim=1), 1)[:, 0]
    clip = torch.arange(count) // 10 if clips else torch.full((count,), -1)
    nothing = torch.full((count, 2), torch.nan)
    none = torch.zeros(count, 0)
    return Predicted(torch.arange(count), clip, labels, nothing, factor * scores, none, none, none)


@pytest.mark.parametrize("clips", [False, True])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_finds_the_temperature(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch, factor: float, clips: bool
) -> None:
    predicted = overconfident(factor, clips=clips)
    monkeypatch.setattr(calibration, "predict_index", lambda *_: predicted)
    face = torch.rand(3, 1, 48, 48)
    before = model.eval()(face).expression
    done = calibrate(model, index)
    assert done.temperature == pytest.approx(factor, rel=0.02)
    assert done.ece[0] > 0.05 > 0.02 > done.ece[1]
    assert done.accuracy[0] == done.accuracy[1] and done.mean_diagonal[0] == done.mean_diagonal[1]
    torch.testing.assert_close(model(face).expression, before / done.temperature)
    assert model.meta is not None
    np.testing.assert_allclose(model.meta.prior, done.prior)
    counts = np.bincount(predicted.label, minlength=CLASSES)
    np.testing.assert_allclose(done.prior, (counts + 1) / (counts.sum() + CLASSES))


def test_finds_the_threshold_by_calibrated_probabilities(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    scores = 4 * torch.randn(20_000, CLASSES, dtype=torch.float64)
    labels = torch.multinomial(scores.softmax(dim=1), 1)[:, 0]
    predicted = overconfident(1)._replace(expression=3 * scores, label=labels)
    monkeypatch.setattr(calibration, "predict_index", lambda *_: predicted)
    done = calibrate(model, index)
    sureness, found = (predicted.expression / done.temperature).softmax(dim=1).max(dim=1)
    assert done.sure is not None and model.meta is not None
    assert 0.5 < done.sure.threshold == model.meta.threshold < 0.95
    for threshold, reliable in ((done.sure.threshold, True), (done.sure.threshold - 0.05, False)):
        answered = sureness >= threshold
        accuracy = float((found == labels)[answered].double().mean())
        assert (accuracy >= 0.95) is reliable
        if reliable:
            share = float(answered.double().mean())
            assert done.sure == (threshold, pytest.approx(share), pytest.approx(accuracy))


def test_a_few_right_answers_make_no_threshold(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """99 sure faces, all right, among others that are guessed; with one more they are enough."""
    for sure, enough in ((99, False), (100, True)):
        scores = torch.zeros(1000, CLASSES, dtype=torch.float64)
        labels = torch.arange(1000) % CLASSES
        scores[torch.arange(sure), labels[:sure]] = 10
        predicted = overconfident(1, 1000)._replace(expression=scores, label=labels)
        monkeypatch.setattr(calibration, "predict_index", lambda *_, found=predicted: found)
        assert (calibrate(model, index).sure is not None) is enough


def test_no_threshold_where_none_is_reliable(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = torch.zeros(200, CLASSES, dtype=torch.float64)
    scores[:, 0] = 0.1
    labels = torch.arange(200) % CLASSES
    monkeypatch.setattr(
        calibration,
        "predict_index",
        lambda *_: overconfident(1, 200)._replace(expression=scores, label=labels),
    )
    model.meta = replace(model.describe(), threshold=0.5)
    done = calibrate(model, index)
    assert done.sure is None and model.meta is not None and model.meta.threshold == 0
    assert "threshold" not in done.told("x")


def test_balance_finds_rare_classes(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "predict_index", lambda *_: overconfident(1.0))
    face = torch.rand(3, 1, 48, 48)
    before = model.eval()(face).expression
    done = calibrate(model, index, balance=0.5)
    assert done.mean_diagonal[1] > done.mean_diagonal[0] + 0.02 and done.accuracy[1] < done.accuracy[0]
    prior = torch.tensor(done.prior)
    torch.testing.assert_close(model(face).expression, before / done.temperature - 0.5 * prior.log())
    assert model.meta is not None and model.meta.balance == 0.5
    np.testing.assert_allclose(model.meta.prior, done.prior)


@pytest.mark.parametrize("again", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("first", [0.5, 1.0])
def test_frequencies_that_are_out_are_put_back_before_the_temperature_is_fitted(
    model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch, first: float, again: float | None
) -> None:
    monkeypatch.setattr(calibration, "predict_index", lambda *_: overconfident(2.0))
    face = torch.rand(3, 1, 48, 48)
    before = model.eval()(face).expression
    taken_out = calibrate(model, index, balance=first)
    prior = torch.tensor(taken_out.prior)
    known = overconfident(2.0)
    scores = known.expression / taken_out.temperature - first * prior.log()
    monkeypatch.setattr(calibration, "predict_index", lambda *_: known._replace(expression=scores))
    done = calibrate(model, index, balance=again)
    assert done.temperature == pytest.approx(1, rel=0.02) and done.accuracy[0] == taken_out.accuracy[1]
    assert done.balance == (first if again is None else again)
    expected = before / taken_out.temperature / done.temperature - done.balance * prior.log()
    torch.testing.assert_close(model(face).expression, expected, rtol=1e-4, atol=1e-5)
    assert model.meta is not None and model.meta.balance == done.balance
    np.testing.assert_allclose(model.meta.prior, done.prior)


def test_weights_know_what_is_out_already(model: AffectModel, root: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    given = ["--data", f"ferplus={root}", "--out"]
    assert not main(["calibrate", str(model.source), "--balance", "0.25", *given, str(once)])
    assert not main(["calibrate", str(once), *given, str(twice)])
    assert [weights.read_meta(path).balance for path in (once, twice)] == [0.25, 0.25]
    assert "0.25 of the classes' frequencies" in weights.read_meta(twice).training.notes["calibration"]
    skewed = affectzoo.load(twice)
    skewed.meta = replace(skewed.describe(), prior=tuple(SHARES.tolist()))
    (plain,), (balanced,) = (affectzoo.predict(FACE, skewed, "none", balance=share) for share in (0.0, 0.5))
    expected = np.array(list((plain.probabilities or {}).values())) / SHARES.numpy() ** (0.5 * 0.75)
    np.testing.assert_allclose(
        list((balanced.probabilities or {}).values()), expected / expected.sum(), rtol=1e-4
    )


def test_a_model_without_metadata_learns_what_is_out(
    index: FaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = affectzoo.create_model("dlp_cnn_s", labels="ferplus8")
    monkeypatch.setattr(calibration, "predict_index", lambda *_: overconfident(1.0))
    done = calibrate(made, index, balance=0.5)
    assert made.describe().balance == 0.5
    np.testing.assert_allclose(made.describe().prior, done.prior)


@pytest.mark.parametrize("balance", [-0.1, 1.5, float("nan"), True, "0.5", None, [0.5]])
def test_a_stored_balance_that_is_none(model: AffectModel, balance: object) -> None:
    values = model.describe().to_dict() | {"prior": [1 / CLASSES] * CLASSES}
    assert weights.WeightsMeta.from_dict(values | {"balance": 1}, "file").balance == 1
    with pytest.raises(WeightsError, match="balance"):
        weights.WeightsMeta.from_dict(values | {"balance": balance}, "file")
    with pytest.raises(WeightsError, match="prior"):
        weights.WeightsMeta.from_dict(values | {"balance": 0.5, "prior": []}, "file")


def test_from_the_command_line_to_predictions(
    model: AffectModel, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibrated.safetensors"
    main(["calibrate", str(model.source), "--data", f"ferplus={root}", "--out", str(out)])
    assert "calibration error" in capsys.readouterr().out
    meta = weights.read_meta(out)
    assert "104 faces of ferplus valid" in meta.training.notes["calibration"]
    np.testing.assert_allclose(meta.prior, 1 / CLASSES)
    skewed = tuple(SHARES.tolist())
    calibrated = affectzoo.load(out)
    calibrated.meta = replace(meta, prior=skewed)
    face = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    plain, balanced = (
        affectzoo.predict(face, calibrated, "none", balance=share)[0].probabilities for share in (0.0, 0.5)
    )
    assert plain is not None and balanced is not None
    expected = np.array(list(plain.values())) / np.sqrt(SHARES.numpy())
    np.testing.assert_allclose(list(balanced.values()), expected / expected.sum(), rtol=1e-4)


def test_balanced_from_the_command_line(
    model: AffectModel, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = str(next(root.rglob("*.png")))
    given = ["predict", face, "--detector", "none", "--model"]
    assert main([*given, str(model.source), "--balance", "0.5"]) == 1
    assert "affectzoo calibrate" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*given, str(model.source), "--balance", "2"])
    assert "0 to 1" in capsys.readouterr().err
    out = tmp_path / "calibrated.safetensors"
    main(["calibrate", str(model.source), "--data", f"ferplus={root}", "--out", str(out)])
    main([*given, str(out), "--balance", "0.5"])
    assert "1 face" in capsys.readouterr().err


def test_faces_that_the_weights_are_not_sure_of(
    model: AffectModel, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = sorted(map(str, root.rglob("*.png")))[:20]
    every = affectzoo.predict(faces, model, "none")
    sureness = sorted(max(face.probabilities.values()) for face in every)
    limit = (sureness[9] + sureness[10]) / 2
    told = affectzoo.predict(faces, model, "none", abstain=limit)
    for before, after in zip(every, told, strict=True):
        sure = max(before.probabilities.values()) >= limit
        assert after == (before if sure else replace(before, label=None)) and after.uncertain is not sure
    assert sum(face.told() == ["uncertain"] for face in told) == 10
    with pytest.raises(OptionError, match="no threshold"):
        affectzoo.predict(faces, model, "none", abstain=True)
    with pytest.raises(OptionError, match=r"abstain is 1\.5"):
        affectzoo.predict(faces, model, "none", abstain=1.5)
    known = replace(model.describe(), threshold=0.5, prior=tuple(SHARES.tolist()))
    path = tmp_path / "sure.safetensors"
    write_sealed(path, model.network_state(), known)
    assert weights.read_meta(path) == known
    assert affectzoo.predict(faces, path, "none", abstain=True) == affectzoo.predict(
        faces, model, "none", abstain=0.5
    )
    with pytest.raises(OptionError, match="say one"):
        affectzoo.predict(faces, path, "none", abstain=True, balance=0.5)
    assert len(affectzoo.predict(faces, path, "none", abstain=0.5, balance=0.5)) == 20
    with pytest.raises(OptionError, match="predict no classes"):
        affectzoo.predict(faces, affectzoo.create_model("dlp_cnn_s", task="va"), "none", abstain=0.5)
    out = tmp_path / "faces.csv"
    given = ["predict", *faces, "--detector", "none", "--model", str(path)]
    main([*given, "--out", str(out), "--abstain", "1", "--render", str(tmp_path / "drawn")])
    table = pd.read_csv(out)
    assert table["label"].isna().all() and table["p_anger"].notna().all() and table["error"].isna().all()
    main([*given, "--abstain", "1"])
    shown = capsys.readouterr().out
    assert shown.count("uncertain") == 20


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), True, "0.5", None])
def test_a_stored_threshold_that_is_none(model: AffectModel, threshold: object) -> None:
    values = model.describe().to_dict()
    assert "threshold" not in values  # earlier versions read weights without it
    with pytest.raises(WeightsError, match="threshold"):
        weights.WeightsMeta.from_dict(values | {"threshold": threshold}, "file")


def test_what_is_refused(model: AffectModel, index: FaceIndex, root: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="balance"):
        calibrate(model, index, balance=1.5)
    with pytest.raises(LabelError, match="no classes"):
        calibrate(affectzoo.create_model("dlp_cnn_s", task="va"), index)
    with pytest.raises(DataError, match="100 or more"):
        calibrate(model, index.rows(np.arange(len(index)) < 50))
    assert model.meta is not None
    training = replace(model.meta.training, train_sketch=sketch(told_apart(index)))
    model.meta = replace(model.meta, training=training)
    with pytest.raises(DataError, match="were trained on"):
        calibrate(model, index)
    with pytest.raises(WeightsError, match=r"\.safetensors"):
        given = calibration.Calibration(1.0, 0.0, (1.0,), 1, (0, 0), (0, 0), (0, 0), None)
        calibration.write_calibrated(model, given, "faces", tmp_path / "out.pth")


@pytest.mark.parametrize("prior", [[0.5, 0.5], [1.0] + [0.0] * 7, [0.5] * 8, ["a"] * 8, [1] * 8])
def test_a_prior_that_is_none(model: AffectModel, prior: list[object]) -> None:
    values = model.describe().to_dict() | {"prior": prior}
    with pytest.raises(WeightsError, match="prior"):
        weights.WeightsMeta.from_dict(values, "file")


def test_training_on_forgets_it(model: AffectModel) -> None:
    assert model.meta is not None
    model.meta = replace(model.meta, prior=(1 / CLASSES,) * CLASSES, balance=0.5)
    trainer: Any = SimpleNamespace(datamodule=None, callbacks=[])
    for meta in (trained_meta(trainer, model), model.meta.untrained()):
        assert meta.prior == () and not meta.balance


FACE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)


@pytest.mark.parametrize("balance", [True, float("nan"), "0.5", None, 2, -0.1])
def test_a_balance_that_is_none(model: AffectModel, index: FaceIndex, balance: Any) -> None:
    if balance is not None:
        with pytest.raises(OptionError, match="balance"):
            calibrate(model, index, balance=balance)
    with pytest.raises(OptionError, match="balance"):
        affectzoo.predict(FACE, model, "none", balance=balance)


@pytest.mark.parametrize("least", [1e-40, 5e-324])
def test_balance_with_the_rarest_classes(model: AffectModel, least: float) -> None:
    assert model.meta is not None
    model.meta = replace(model.meta, prior=(1.0,) + (least,) * (CLASSES - 1))
    (found,) = affectzoo.predict(FACE, model, "none", balance=np.float32(1))
    shares = np.array(list((found.probabilities or {}).values()))
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-6)
    assert found.label != "neutral" and shares[0] < 1e-30 and (shares[1:] > 0.001).all()


def test_balance_without_classes() -> None:
    with pytest.raises(OptionError, match="no classes"):
        affectzoo.predict(FACE, affectzoo.create_model("dlp_cnn_s", task="va"), "none", balance=0.5)


def test_faces_without_a_class(model: AffectModel, index: FaceIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = overconfident(1.0)
    predicted.label[predicted.label == CLASSES - 1] = -1
    monkeypatch.setattr(calibration, "predict_index", lambda *_: predicted)
    with pytest.raises(DataError, match="contempt"):
        calibrate(model, index)


def test_a_temperature_at_the_end_is_told(
    model: AffectModel,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["calibrate", str(model.source), "--data", f"ferplus={root}", "--out"]
    for factor, told in ((1.0, False), (100.0, True)):
        monkeypatch.setattr(calibration, "predict_index", lambda *_, by=factor: overconfident(by))
        assert not main([*given, str(tmp_path / f"{factor}.safetensors")])
        assert ("at the end" in " ".join(capsys.readouterr().err.split())) is told


def test_another_ending_is_refused_before_faces_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.pth"
    assert main(["calibrate", "dlp_cnn_s.ferplus", "--data", "ferplus=nowhere", "--out", str(out)]) == 1
    assert str(out) in capsys.readouterr().err and not out.exists()


def test_weights_are_not_replaced_by_their_calibration(
    model: AffectModel, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("{}")
    write_sealed(run / weights.FILE_NAME, model.network_state(), model.describe())
    for given, out in (
        (model.source, model.source),
        (run, run / weights.FILE_NAME),
        (model.source, run / weights.FILE_NAME),
    ):
        before = Path(str(out)).read_bytes()
        assert main(["calibrate", str(given), "--data", f"ferplus={root}", "--out", str(out)]) == 1
        assert "choose another name" in capsys.readouterr().err
        assert Path(str(out)).read_bytes() == before


def test_a_folder_from_a_variable_that_is_not_set(
    model: AffectModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    assert main(["calibrate", str(model.source), "--data", "ferplus=", "--out", str(out)]) == 1
    assert "variable" in capsys.readouterr().err


def test_weights_of_any_name_are_written(model: AffectModel, tmp_path: Path) -> None:
    for name in ("unsealed", "other"):
        write_sealed(tmp_path / f"{name}.safetensors", model.network_state(), model.describe())
    assert {file.name for file in tmp_path.iterdir()} >= {"unsealed.safetensors", "other.safetensors"}


def test_license_terms_from_a_variable_that_is_not_set() -> None:
    with pytest.raises(OptionError, match="weights are empty"):
        weights.license_terms({"weights": " ", "code": "Apache-2.0"})
