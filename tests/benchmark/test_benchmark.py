"""``affectzoo benchmark`` from data to pages, on fake data with a real model."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import write_afewva, write_ferplus, write_folder, write_rafdb
from fakes.afew import write_afew, write_sfew
from fakes.described import described
from fakes.figures import figures
from fakes.hurried import hurry
from fakes.posed import write_ckplus, write_jaffe
from fakes.rafdb_compound import write_rafdb_compound
from fakes.records import make_record

import affectzoo
from affectzoo import store, weights
from affectzoo.benchmark import runner
from affectzoo.benchmark.comparison import compare
from affectzoo.benchmark.runner import Task, benchmark, plain_split
from affectzoo.benchmark.systems import ClassifierSystem, ExternalSystem, ZooSystem, split_name, system
from affectzoo.cli import main
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.ids import ids, sketch, split_hash, told_apart
from affectzoo.errors import AffectZooError, DataError, EmptySplitError, LabelError, WeightsError
from affectzoo.evaluation.evaluate import evaluate
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.protocol import faces
from affectzoo.evaluation.protocols import find_protocol
from affectzoo.evaluation.record import counted, read_record, read_records
from affectzoo.faces.detect import Detection
from affectzoo.leaderboard.groups import entries, groups
from affectzoo.leaderboard.report import report
from affectzoo.metrics.classification import class_metrics

BUNDLED = "dlp_cnn_s.ferplus"
BEST = "highest valid/accuracy of 9 epochs"
PEOPLE = ("Ann Lee", "Bob", "Cat", "Dan", "Eve", "Flo", "Gus", "Hal", "bob")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("data") / "ferplus")


@pytest.fixture(scope="module", autouse=True)
def hurried() -> Iterator[None]:
    """No time for exact timings."""
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        yield


@pytest.fixture
def task(data: Path) -> Task:
    return Task(find_protocol("ferplus_valid"), {"ferplus": data})


def export(
    folder: Path, name: str, labels: Any = None, training: dict[str, Any] | None = None, **options: Any
) -> Path:
    """Weights of a small untrained network, as a run leaves them."""
    model = affectzoo.create_model(name, labels=labels, **options)
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight, std=0.01)  # values stay within [-1, 1]
    meta = described(model.describe(), **training or {})
    weights.write(folder / weights.FILE_NAME, model.network_state(), meta)
    return folder


FERPLUS = ("--data", "ferplus=D", "--protocol", "ferplus")


def on(data: Path) -> tuple[str, ...]:
    return ("--data", f"ferplus={data}", "--protocol", "ferplus_valid")


def run(*arguments: str | Path) -> int:
    return main(["benchmark", *map(str, arguments)])


NOTED = ("--note", "made up, small")


@pytest.fixture(scope="module")
def board(data: Path, tmp_path_factory: pytest.TempPathFactory, hurried: None) -> Path:
    """One measured model and its pages."""
    out = tmp_path_factory.mktemp("board")
    with figures(drawn=True):
        assert run(*on(data), *NOTED, "--models", BUNDLED, "--out", out) == 0
    return out


def test_bundled_model_on_a_protocol(data: Path, board: Path) -> None:
    out = board
    (record,) = read_records(out)
    parts = faces(find_protocol("ferplus_valid"), {"ferplus": data})
    expected = evaluate(affectzoo.load(BUNDLED), parts["test"])
    for name in ("accuracy", "mean_diagonal", "f1"):
        assert record["metrics"][name]["value"] == expected["metrics"][name]["value"]
    assert record["confusion"] == expected["confusion"]
    assert record["protocol"]["hash"] == split_hash(ids(parts["test"]))
    assert record["faces"] == {
        "total": len(parts["test"]),
        "predicted": len(parts["test"]),
        "missing": 0,
        "annotated": {"label": len(parts["test"])},
        "subjects": None,
        "clips": None,
        "left_out": record["faces"]["left_out"],
    }
    assert record["mapping"] == {name: name for name in record["labels"]}
    assert record["model"]["sha256"] == [store.entries()[BUNDLED].sha256]
    assert record["epoch"]["on_test"] is False
    assert not all(told["equal"] for told in record["protocol"]["deviations"])  # a fake copy is small
    assert record["compute"]["parameters"] == store.entries()[BUNDLED].parameters
    for name in ("leaderboard.md", "leaderboard.html", "comparisons.json"):
        assert (out / name).is_file()
    page = (out / "leaderboard.html").read_text(encoding="utf-8")
    linked = re.findall(r'<img loading="lazy" src="(plots/[^"]+)"', page)
    assert linked and all((out / unquote(name)).is_file() for name in linked)
    (details,) = (out / "details").iterdir()
    assert BUNDLED in details.read_text(encoding="utf-8")
    # The predictions give the record's figures again.
    table = pd.read_csv(out / record["predictions"])
    shares = table[[f"p_{name}" for name in record["labels"]]].to_numpy()
    truth = table["true_label"].map(record["labels"].index).to_numpy()
    again = class_metrics(shares, truth).averages()
    for name, value in again.items():
        told = record["metrics"][name]["value"]
        assert told is None if value.isnan() else told == pytest.approx(float(value), abs=1e-6)


def test_a_record_is_reproduced_by_its_command(board: Path, tmp_path: Path) -> None:
    (record,) = read_records(board)
    command = shlex.split(record["command"])
    assert command[:2] == ["affectzoo", "benchmark"]
    again = tmp_path / "again"
    command[command.index("--out") + 1] = str(again)
    assert main(command[1:]) == 0
    (other,) = read_records(again)
    own = {"seconds", "compute", "command", "remarks"}  # the last tells of a busy machine
    assert not [
        told for one in (record, other) for told in one["remarks"] if not told.startswith("timed on a busy")
    ]
    assert {k: v for k, v in record.items() if k not in own} == {
        k: v for k, v in other.items() if k not in own
    }


def test_what_was_measured_is_not_measured_again(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(ZooSystem):
        def answer(self, *args: Any, **options: Any) -> Any:
            raise KeyboardInterrupt

    first, second = ZooSystem("first", BUNDLED), Cut("second", BUNDLED)
    with pytest.raises(KeyboardInterrupt):
        benchmark([task], [first, second], tmp_path)
    (kept,) = read_records(tmp_path)
    assert kept["system"] == "first"
    said: list[str] = []
    monkeypatch.setattr(first, "answer", None)
    records = benchmark([task], [first, ZooSystem("second", BUNDLED)], tmp_path, say=said.append)
    assert [record["system"] for record in records] == ["first", "second"]
    assert records[0] == kept
    assert said == ["1/2 first on ferplus_valid: measured before", "2/2 second on ferplus_valid"]
    assert not list(tmp_path.rglob("*.part"))


def test_other_weights_faces_or_notes_are_other_records(data: Path, task: Task, tmp_path: Path) -> None:
    one = export(tmp_path / "one", "dlp_cnn_s", "ferplus8")
    two = export(tmp_path / "two", "dlp_cnn_s", "ferplus8")
    noted = Task(task.protocol, task.roots, note="of other images")
    keys = {runner._key(t, ZooSystem("x", str(run))) for t in (task, noted) for run in (one, two)}
    assert len(keys) == 4
    assert runner._key(task, ZooSystem("x", str(one))) in keys


def test_classes_are_matched_by_name_and_missing_outputs_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_rafdb(tmp_path / "rafdb", ("aligned",))
    task = Task(find_protocol("rafdb_basic"), {"rafdb": root})
    (record,) = benchmark([task], [ZooSystem(BUNDLED, BUNDLED)], tmp_path / "out")
    assert record["labels"] == list(affectzoo.labels.SPACES["rafdb7"].names)
    assert record["mapping"] == {name: name for name in record["labels"]}
    table = pd.read_csv(tmp_path / "out" / record["predictions"])
    shares = table[[f"p_{name}" for name in record["labels"]]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)  # without contempt
    model = affectzoo.load(BUNDLED)
    results = affectzoo.predict(
        [str(task.folds[0].test.root / path) for path in table["file"]], model, detector="none"
    )
    kept = np.array([[face.probabilities[name] for name in record["labels"]] for face in results])
    np.testing.assert_allclose(shares, kept / kept.sum(axis=1, keepdims=True), atol=1e-4)


def test_classes_that_the_model_lacks_are_an_error(task: Task, tmp_path: Path) -> None:
    run = export(tmp_path / "run", "dlp_cnn_s", "rafdb7")
    with pytest.raises(LabelError, match=r"faces labeled contempt, which the model's rafdb7 .* lacks"):
        benchmark([task], [ZooSystem("x", str(run))], tmp_path / "out")


def test_weights_that_saw_the_faces_are_refused(task: Task, tmp_path: Path) -> None:
    (fold,) = task.folds
    seen = export(tmp_path / "seen", "dlp_cnn_s", "ferplus8", {"data": "ferplus", "train_hash": fold.hash})
    with pytest.raises(WeightsError, match="trained on the very faces"):
        benchmark([task], [ZooSystem("x", str(seen))], tmp_path / "out")


@pytest.mark.parametrize("learned", ["ferplus", "affectnet+ferplus"])
def test_weights_that_saw_some_of_the_faces_are_refused(task: Task, tmp_path: Path, learned: str) -> None:
    (fold,) = task.folds
    apart, names = ids(fold.parts["train"]), ids(fold.test)
    for number, told in enumerate((apart, [*apart, names[3]])):
        training = {"data": learned, "train_hash": split_hash(told), "train_sketch": sketch(told)}
        path = str(export(tmp_path / str(number), "dlp_cnn_s", "ferplus8", training))
        if told == apart:
            (record,) = benchmark([task], [ZooSystem("x", path)], tmp_path / "out")
            assert "train_sketch" not in record["model"]["training"]
        else:
            with pytest.raises(WeightsError, match=re.escape(names[3])):
                benchmark([task], [ZooSystem("y", path)], tmp_path / "out")


def test_own_faces_of_the_same_names_are_other_faces(tmp_path: Path) -> None:
    own, other = (write_folder(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    index = read_folder(own)
    known = {"train_hash": split_hash(ids(index)), "train_sketch": sketch(told_apart(index))}
    labels = ["anger", "happiness", "sadness"]
    path = export(tmp_path / "run", "dlp_cnn_s", labels, {"data": "folder", **known})
    task = plain_split("folder", "train", other, {})
    assert task.folds[0].hash == known["train_hash"]
    (record,) = benchmark([task], [ZooSystem("x", str(path))], tmp_path / "out")
    assert record["faces"]["predicted"] == 12
    with pytest.raises(WeightsError, match="trained on faces that folder_train_split tests on: 12 or more"):
        benchmark([plain_split("folder", "train", own, {})], [ZooSystem("x", str(path))], tmp_path / "out")


@pytest.mark.parametrize(
    ("training", "on_test"),
    [
        (
            {"data": "ferplus", "epoch_rule": BEST, "valid_hash": "its own"},
            True,
        ),
        (
            {"data": "ferplus", "epoch_rule": BEST, "valid_hash": "another"},
            None,
        ),
        ({"data": "ferplus", "epoch_rule": BEST}, None),
        ({"data": "rafdb", "epoch_rule": BEST}, False),
        ({"data": "ferplus", "epoch_rule": "last epoch of the schedule, none chosen by results"}, False),
        ({}, None),
    ],
)
def test_record_says_whether_the_test_part_chose_the_epoch(
    task: Task, tmp_path: Path, training: dict[str, Any], on_test: bool | None
) -> None:
    (fold,) = task.folds
    if training.get("valid_hash") == "its own":
        training = training | {"valid_hash": fold.hash}
    run = export(tmp_path / "run", "dlp_cnn_s", "ferplus8", training)
    assert ZooSystem("x", str(run)).facts(fold)["epoch"]["on_test"] is on_test


@pytest.mark.slow
def test_models_of_folds(tmp_path: Path) -> None:
    root = write_afewva(tmp_path / "afewva", PEOPLE)
    task = Task(find_protocol("afewva_5fold"), {"afewva": root}, note="made up")
    for fold in range(5):
        training = {"data": "afewva", "fold": fold, "folds": 5}
        export(tmp_path / f"fold_{fold}", "dlp_cnn_s", None, training, task="va")
    each = ZooSystem("each", str(tmp_path / "fold_{fold}"))
    (record,) = benchmark([task], [each], tmp_path / "out")
    assert [fold["fold"] for fold in record["folds"]] == [0, 1, 2, 3, 4]
    assert len({fold["sha256"] for fold in record["folds"]}) == 5
    assert sum(fold["faces"] for fold in record["folds"]) == record["faces"]["total"]
    values = [fold["metrics"]["ccc_valence"] for fold in record["folds"]]
    assert record["metrics"]["ccc_valence"]["value"] == pytest.approx(np.mean(values), abs=1e-9)
    assert record["metrics"]["ccc_valence"]["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    ratio = record["metrics"]["own_scale_rmse_arousal"]["value"] / record["metrics"]["rmse_arousal"]["value"]
    assert ratio == pytest.approx(10)
    # another system's file with all folds' faces
    table = pd.read_csv(tmp_path / "out" / record["predictions"])
    table.drop(columns=["true_valence", "true_arousal"]).to_csv(tmp_path / "theirs.csv", index=False)
    theirs = ExternalSystem("theirs", str(tmp_path / "theirs.csv"))
    (other,) = benchmark([task], [theirs], tmp_path / "out")
    for name, told in record["metrics"].items():
        assert other["metrics"][name]["value"] == pytest.approx(told["value"], abs=1e-6), name
    assert main(["leaderboard", str(tmp_path / "out")]) == 0
    drawn = {path.stem.split("-", 2)[2] for path in (tmp_path / "out" / "plots").iterdir()}
    assert {"results", "cost", "plane", "errors", "traces", "agreement-each", "agreement-theirs"} <= drawn
    page = (tmp_path / "out" / "leaderboard.md").read_text(encoding="utf-8")
    assert "made up" in page and "published: 600" in page  # fake faces are not passed off as the real ones
    # the wrong fold's weights
    (tmp_path / "fold_0" / weights.FILE_NAME).write_bytes(
        (tmp_path / "fold_1" / weights.FILE_NAME).read_bytes()
    )
    with pytest.raises(WeightsError, match="trained for fold 1 of 5, not for fold 0 of 5"):
        benchmark([task], [each], tmp_path / "out")
    with pytest.raises(AffectZooError, match=r"name each fold's own model, such as .*fold_\{fold\}"):
        benchmark([task], [ZooSystem("one", str(tmp_path / "fold_2"))], tmp_path / "out")


@pytest.mark.parametrize(
    "spec",
    ["hog+svm", pytest.param("lbp+lda", marks=pytest.mark.slow), f"{BUNDLED}+svm", f"{BUNDLED}+lda"],
)
def test_features_with_a_classifier(task: Task, tmp_path: Path, spec: str) -> None:
    (record,) = benchmark([task], [ClassifierSystem(spec, spec)], tmp_path)
    assert record["kind"] == ("features" if BUNDLED in spec else "classical")
    assert ("model" in record) == (BUNDLED in spec)
    assert 0 <= record["metrics"]["accuracy"]["value"] <= 1
    assert sum(map(sum, record["confusion"])) == record["faces"]["total"]
    columns = pd.read_csv(tmp_path / record["predictions"]).columns
    assert "s_neutral" in columns and "p_neutral" not in columns
    assert record["compute"]["latency_ms"] > 0


def test_another_systems_predictions(data: Path, task: Task, tmp_path: Path) -> None:
    (fold,) = task.folds
    truth = fold.test.table["label"].to_numpy()
    table = pd.DataFrame({"id": ids(fold.test), "predicted_label": truth})
    table.loc[0, "predicted_label"] = "anger" if truth[0] != "anger" else "fear"
    table[:-1].to_csv(tmp_path / "theirs.csv", index=False)  # one face was not found
    out = tmp_path / "out"
    arguments = [*on(data), "--out", out]
    assert run(*arguments, "--predictions", f"theirs={tmp_path / 'theirs.csv'}", "--models", BUNDLED) == 0
    record = next(record for record in read_records(out) if record["system"] == "theirs")
    number = len(truth)
    assert record["kind"] == "external"
    assert record["faces"]["missing"] == 1
    assert record["metrics"]["accuracy"]["value"] == pytest.approx((number - 2) / (number - 1))
    assert record["metrics_all"]["accuracy"]["value"] == pytest.approx((number - 2) / number)
    (told,) = json.loads((out / "comparisons.json").read_text(encoding="utf-8"))
    assert {told["first"], told["second"]} == {"theirs", BUNDLED}
    assert main(["compare", str(out), "theirs", BUNDLED]) == 0


def test_seeds_share_a_row(task: Task, data: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        export(tmp_path / f"s{seed}", "dlp_cnn_s", "ferplus8", {"seed": seed, "recipe_hash": "r"})
    out = tmp_path / "out"
    models = [f"ours={tmp_path / 's0'}", f"ours={tmp_path / 's1'}"]
    arguments = [*on(data), "--out", out]
    assert run(*arguments, "--models", *models) == 0
    assert len(read_records(out)) == 2
    assert "over 2 runs" in (out / "leaderboard.md").read_text(encoding="utf-8")


def test_plain_split_of_own_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "faces")
    names = sorted({path.parent.name for path in root.rglob("*.*")})
    run_folder = export(tmp_path / "run", "dlp_cnn_s", names)
    out = tmp_path / "out"
    assert run("--data", f"folder={root}", "--split", "train", "--models", run_folder, "--out", out) == 0
    (record,) = read_records(out)
    assert record["protocol"]["name"] is None and record["protocol"]["split"] == "train"
    assert record["protocol"]["deviations"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "ferplus=D"], "name one of its protocols with --protocol: ferplus, ferplus_valid"),
        (
            [*FERPLUS[:2], "--protocol", "rafdb_basic"],
            "rafdb_basic is on rafdb: say where",
        ),
        ([*FERPLUS[:2], "--protocol", "nope"], "unknown protocol 'nope'"),
        (
            ["--data", "ferplus=D", "--data", "ferplus=E", "--protocol", "ferplus"],
            "there is already one for ferplus",
        ),
        (["--data", "D", "--protocol", "ferplus"], "expected NAME=DIR"),
        (["--data", "ferplu=D", "--protocol", "ferplus"], "did you mean ferplus"),
        ([*FERPLUS, "--split", "test"], "give one of them"),
        (
            [*FERPLUS, "--set", "rule=majority"],
            "a protocol's options are fixed",
        ),
        (["--data", "folder=D"], "folder: name a --split: no published protocol"),
        (
            ["--data", "afewva=D", "--protocol", "afewva_5fold", "--models", BUNDLED],
            "is about valence and arousal",
        ),
        (
            [*FERPLUS, "--models", "hog"],
            r"with which classifier, such as hog\+svm",
        ),
        ([*FERPLUS, "--models", "hog#fc+svm"], "hog is computed without a network, it has no layers"),
        (
            [*FERPLUS, "--models", "hog+svr"],
            r"is about classes: \+svm or \+lda",
        ),
        ([*FERPLUS, "--models", "no_such"], "unknown model 'no_such'"),
        ([*FERPLUS, "--predictions", "a=b.csv"], "no such file"),
    ],
)
def test_faults_of_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 1
    assert re.search(message, capsys.readouterr().err)


def test_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    path = tmp_path / "records" / "x.json"
    for text in ('{"format": 1', '{"format": 99}', '{"format": 1, "key": "x", "model": {}}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AffectZooError, match=r"x\.json") as refused:
            read_records(tmp_path)
        assert "delete it" not in str(refused.value)  # it may be another program's
    path.unlink()
    with pytest.raises(AffectZooError, match="no records here"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"metrics": None}, "metrics"),
        ({"metrics": {"accuracy": 0.5}}, r"metrics\.accuracy"),
        ({"metrics": {"accuracy": {"value": "0.5"}}}, r"metrics\.accuracy\.value"),
        ({"faces": {"missing": 300}}, "faces"),
        ({"faces": {"total": True}}, r"faces\.total"),
        ({"key": "../../x"}, "key"),
        ({"something": 1}, "something"),
        ({"model": {"sha256": []}}, r"model\.sha256"),
        ({"model": {"training": None}}, r"model\.training"),
        ({"protocol": {"data": "x"}}, r"protocol\.data"),
        ({"protocol": {"name": "=1+1"}}, r"protocol\.name"),
        ({"protocol": {"data": {"test": "a/b"}}}, r"protocol\.data\.test"),
        ({"labels": None, "per_class": None}, "labels"),
        ({"confusion": []}, "confusion"),
        ({"confusion": [[30, 20, 10], [5, 50, 6], [2, 3, 58]]}, "per_class"),
        ({"per_class": {"other": {"support": 3, "recall": 0.5}}}, "per_class"),
        ({"per_class": {"anger": {"support": 3}}}, r"per_class\.anger\.recall"),
        ({"labels": [1, 2, 3]}, r"labels\.0"),
        ({"labels": ["anger", "anger", "neutral"]}, "labels"),
        ({"command": None}, "command"),
    ],
)
def test_records_with_fields_of_another_kind(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(make_record(**changes)), encoding="utf-8")
    with pytest.raises(AffectZooError, match=rf"x\.json: .*: (.*; )?{told}\b"):
        read_record(path)


def test_what_was_measured_before_a_failure_is_shown(
    data: Path, board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("id,label\nno/face.png,anger\n", encoding="utf-8")
    out = tmp_path / "board"
    both = (*on(data), *NOTED, "--models", BUNDLED, "--predictions", f"x={wrong}", "--out", str(out))
    assert run(*both) == 1
    assert not (out / "records").exists(), "files of predictions are read first"
    shutil.copytree(board, out, dirs_exist_ok=True)
    (out / "leaderboard.html").unlink()
    assert run(*both) == 1
    assert (out / "leaderboard.html").is_file()
    assert "what is done stays in" in capsys.readouterr().err


def test_boxes_and_landmarks_make_another_record(task: Task) -> None:
    before = runner._key(task, ZooSystem(BUNDLED, BUNDLED))
    (fold,) = task.folds
    moved = fold.test.table.assign(box=[(0.0, 0.0, 40.0, 40.0)] * len(fold.test))
    fold = replace(fold, parts={**fold.parts, "test": replace(fold.test, table=moved)})
    other = Task(task.protocol, task.roots)
    other.__dict__["folds"] = [fold]
    assert runner._key(other, ZooSystem(BUNDLED, BUNDLED)) != before


@pytest.mark.slow
def test_unreadable_pictures_have_no_answer(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    task = Task(find_protocol("ferplus_valid"), {"ferplus": root})
    victim = root / task.folds[0].test.table["path"][0]
    victim.write_bytes(b"no image")
    (root / task.folds[0].parts["train"].table["path"][1]).write_bytes(b"no image")
    systems = [ZooSystem(BUNDLED, BUNDLED), *(ClassifierSystem(s, s) for s in (f"{BUNDLED}+svm", "hog+lda"))]
    records = benchmark([task], systems, tmp_path / "out")
    for record in records:
        assert record["faces"]["missing"] == 1
        assert record["metrics_all"]["accuracy"]["value"] <= record["metrics"]["accuracy"]["value"]
    labelled = int(task.folds[0].parts["train"].table["label"].notna().sum())
    told: list[str] = []
    assert benchmark([task], systems[:1], tmp_path / "out", say=told.append) == records[:1]
    assert re.fullmatch(r"1/1 .*: measured before; 1 face had no answer: delete .*\.json if .*", told[0])
    fits = [record["fit"] for record in records]
    fitted = {"faces": labelled - 1, "without_features": 1, "pca": None}
    assert fits == [None, [fitted | {"dimensions": 512}], [fitted | {"dimensions": 4000}]]


def test_names_of_systems() -> None:
    assert split_name("ours=runs/x") == ("ours", "runs/x")
    assert split_name("runs/a=b/x") == ("runs/a=b/x", "runs/a=b/x")
    assert split_name(BUNDLED) == (BUNDLED, BUNDLED)
    with pytest.raises(AffectZooError, match="variable"):
        split_name("ours=")
    found = system(f"mine={BUNDLED}#trunk+svm")
    assert isinstance(found, ClassifierSystem)
    assert (found.name, found.source, found.layer, found.classifier) == ("mine", BUNDLED, "trunk", "svm")


def test_plain_split_needs_a_label(tmp_path: Path) -> None:
    task = plain_split("folder", "train", write_folder(tmp_path / "faces"), {})
    with pytest.raises(EmptySplitError, match=r"no test part in .* \(found: train\); --split takes what the"):
        plain_split("folder", "test", tmp_path / "faces", {})
    assert task.protocol.task == "expression"
    assert torch.tensor(len(task.folds[0].test)) > 0


def test_protocol_that_counts_clips(tmp_path: Path) -> None:
    task = Task(find_protocol("afew"), {"afew": write_afew(tmp_path / "afew")})
    out = tmp_path / "out"
    runs = [export(tmp_path / name, "dlp_cnn_s", "afew7") for name in ("one", "two")]
    record, other = benchmark([task], [ZooSystem(path.name, str(path)) for path in runs], out)
    (fold,) = task.folds
    clips = fold.test.table["clip"].nunique()
    assert sum(map(sum, record["confusion"])) == record["faces"]["clips"] == clips
    faces_, clips_ = (
        pd.read_csv(out / "predictions" / f"{record['key']}{end}") for end in (".csv", ".clips.csv")
    )
    assert (len(faces_), len(clips_)) == (len(fold.test), clips)
    names = [f"p_{name}" for name in record["labels"]]
    means = faces_.groupby("clip")[names].mean()
    np.testing.assert_allclose(clips_[names], means / means.sum(axis=1).to_numpy()[:, None], atol=1e-6)
    assert (clips_["true_label"] == clips_["label"]).mean() == record["metrics"]["accuracy"]["value"]
    told = compare(*(read_table(counted(out, r)) for r in (record, other)))
    assert told.faces == clips
    assert told.values[0] == pytest.approx(record["metrics"]["accuracy"]["value"])
    report(out)


def test_a_detector_changes_boxes_but_no_ids(task: Task, tmp_path: Path) -> None:
    class Half:
        """Finds the middle of every other image."""

        name = "half"
        calls = 0

        def __call__(self, image: Any) -> list[Detection]:
            self.calls += 1
            height, width = image.shape[:2]
            box = (width / 4, height / 4, 3 * width / 4, 3 * height / 4)
            return [Detection(box, 1.0)] if self.calls % 2 else []

    found = Task(task.protocol, task.roots, detector=Half())
    one = ZooSystem(BUNDLED, BUNDLED)
    record, plain = (benchmark([t], [one], tmp_path)[0] for t in (found, task))
    total = record["faces"]["total"]
    assert record["faces"]["missing"] == total // 2
    assert record["protocol"]["hash"] == plain["protocol"]["hash"]
    assert (record["protocol"]["detector"], plain["protocol"]["detector"]) == ("half", None)
    tables = [pd.read_csv(tmp_path / r["predictions"]) for r in (record, plain)]
    assert tables[0]["id"].tolist() == tables[1]["id"].tolist()
    assert tables[0]["label"].isna().sum() == total // 2
    right = record["metrics"]["accuracy"]["value"] * (total - total // 2)
    assert record["metrics_all"]["accuracy"]["value"] == pytest.approx(right / total)


TRANSFER = {
    "ckplus_5fold": ("ckplus", write_ckplus),
    "jaffe_loso": ("jaffe", write_jaffe),
    "rafdb_compound": ("rafdb", lambda root: write_rafdb_compound(write_rafdb(root))),
    "sfew": ("sfew", write_sfew),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n == "jaffe_loso" else []) for n in TRANSFER]
)
def test_features_carry_over_without_fine_tuning(tmp_path: Path, name: str) -> None:
    """As Li and Deng, Tables VI and IX: features of one data set, a classifier fitted on another."""
    dataset, write = TRANSFER[name]
    task = Task(find_protocol(name), {dataset: write(tmp_path / dataset)})
    (record,) = benchmark([task], [ClassifierSystem("svm", f"{BUNDLED}+svm")], tmp_path / "out")
    assert len(record["folds"]) == (0 if task.protocol.folds == 1 else task.protocol.folds)
    assert sum(map(sum, record["confusion"])) == record["faces"]["total"]
    assert record["labels"] == list(affectzoo.labels.SPACES[str(task.protocol.labels)].names)
    assert record["model"]["training"]["data"] == "ferplus"


@pytest.mark.slow
def test_models_are_measured_without_the_baselines_libraries(data: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):  # as if they were not installed
    @classmethod
    def find_spec(cls, name, *others):
        absent = name.partition(".")[0] in ("sklearn", "skimage")
        return None if absent else PathFinder.find_spec(name, *others)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from affectzoo.benchmark import cost
cost.SECONDS = cost.WARM_UP_SECONDS = 0
from affectzoo.cli import main
models = ["benchmark", "--data", "ferplus={data}", "--protocol", "ferplus_valid", "--out", "{tmp_path}"]
models.append("--models")
assert main([*models, "{BUNDLED}"]) == 0
sys.exit(main([*models, "hog+svm"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert 'pip install "affectzoo[baselines]"' in done.stderr
    assert len(read_records(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_system_that_never_answers_is_shown_as_such(data: Path, tmp_path: Path, kind: str) -> None:
    class Blind:
        name = "blind"

        def __call__(self, image: Any) -> list[Detection]:
            return []

    if kind == "classes":
        task = Task(find_protocol("ferplus_valid"), {"ferplus": data})
        spec = BUNDLED
    else:
        root = write_afewva(tmp_path / "afewva", PEOPLE)
        task = plain_split("afewva", "test", root, {"fold": 0, "folds": 5})
        spec = str(export(tmp_path / "run", "dlp_cnn_s", None, {"data": "own"}, task="va"))
    tasks = [Task(task.protocol, task.roots, task.split, detector=detector) for detector in (Blind(), None)]
    blind, seeing = (benchmark([t], [ZooSystem("x", spec)], tmp_path / "out")[0] for t in tasks)
    assert (blind["faces"]["predicted"], blind["metrics"]) == (0, {})
    assert seeing["faces"]["missing"] == 0
    if kind == "classes":
        assert blind["metrics_all"]["accuracy"]["value"] == 0
    else:
        assert blind["metrics_all"]["ccc"]["value"] == 0
    with figures(drawn=kind == "values"):
        report(tmp_path / "out")
    (group,) = groups(read_records(tmp_path / "out"))
    assert {entry.system for entry in entries(group)} == {"x", "x, faces found by blind"}


def test_other_labels_or_options_of_the_same_faces_are_other_records(task: Task, tmp_path: Path) -> None:
    one = ZooSystem("x", BUNDLED)
    (fold,) = task.folds
    table = fold.test.table.assign(label=fold.test.table["label"].iloc[::-1].to_numpy())
    turned = replace(fold, parts={**fold.parts, "test": replace(fold.test, table=table)})
    other = Task(task.protocol, task.roots)
    other.__dict__["folds"] = [turned]
    source = replace_source(task.protocol)
    elsewhere = Task(source, task.roots)
    elsewhere.__dict__["folds"] = task.folds
    assert len({runner._key(t, one) for t in (task, other, elsewhere)}) == 3
    records = [benchmark([t], [one], tmp_path)[0] for t in (task, other)]
    assert records[0]["protocol"]["hash"] == records[1]["protocol"]["hash"]
    first, second = groups(read_records(tmp_path))
    assert first.warning is not None and "with other labels" in first.warning
    assert first.id != second.id
    report(tmp_path)


def replace_source(protocol: Any) -> Any:
    return replace(protocol, train=protocol.train._replace(options={"rule": "majority"}))


def test_a_fold_without_answers_does_not_stop_the_page(tmp_path: Path) -> None:
    task = Task(find_protocol("ckplus_5fold"), {"ckplus": write_ckplus(tmp_path / "ckplus")})
    for missing in (0, 2):
        told = [
            pd.DataFrame({"id": ids(fold.test), "predicted_label": fold.test.table["label"]})
            for fold in task.folds
            if fold.number != missing
        ]
        path = tmp_path / f"without_{missing}.csv"
        pd.concat(told).to_csv(path, index=False)
        (record,) = benchmark([task], [ExternalSystem(path.stem, str(path))], tmp_path / "out")
        assert record["metrics"]["accuracy"]["value"] is None  # a fold is unknown, and so is the mean
        assert record["metrics_all"]["accuracy"]["value"] == pytest.approx(0.8)
    report(tmp_path / "out")


def test_pages_are_written_from_records_alone(task: Task, tmp_path: Path) -> None:
    benchmark([task], [ZooSystem("a", BUNDLED), ZooSystem("b", BUNDLED)], tmp_path)
    for path in (tmp_path / "predictions").iterdir():
        path.unlink()
    report(tmp_path)
    (told,) = json.loads((tmp_path / "comparisons.json").read_text(encoding="utf-8"))
    assert (told["first"], told["second"], told["difference"]) == ("a", "b", None)


def test_weights_are_not_tested_on_what_they_saw(tmp_path: Path) -> None:
    fold3 = export(tmp_path / "f3", "dlp_cnn_s", None, {"data": "afewva", "fold": 3, "folds": 5}, task="va")
    own = ZooSystem("own", str(fold3))
    assert "faces of afewva that" in str(own.misfit(find_protocol("semaine_to_afewva")))
    root = write_afewva(tmp_path / "afewva", PEOPLE)
    asked = plain_split("afewva", "test", root, {"fold": 0, "folds": 5})
    with pytest.raises(WeightsError, match="trained for fold 3 of 5, not for fold 0 of 5"):
        benchmark([asked], [own], tmp_path / "out")
    assert "tests on" in str(
        own.misfit(plain_split("afewva", "train", root, {"fold": 3, "folds": 5}).protocol)
    )


def test_landmarks_that_no_face_has_are_an_error(task: Task, tmp_path: Path) -> None:
    options = {"landmarks": True, "head_units": (4,)}
    run = export(tmp_path / "run", "resnet18", "ferplus8", **options)
    for one in (ZooSystem("x", str(run)), ClassifierSystem("y", f"{run}+svm")):
        with pytest.raises(DataError, match="ferplus: the model takes 68 landmarks, but no face has them"):
            benchmark([task], [one], tmp_path / "out")


def test_a_copy_with_the_test_part_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    for name in ("FER2013Train", "FER2013Valid"):
        shutil.rmtree(root / name)
    common = ("--data", f"ferplus={root}", "--protocol", "ferplus", "--out", tmp_path / "out")
    assert run(*common, "--models", BUNDLED) == 0
    (record,) = read_records(tmp_path / "out")
    assert record["faces"]["total"] > 0 and not record["faces"]["missing"]
    assert run(*common, "--models", BUNDLED, "hog+svm") == 1
    assert "hog+svm" in capsys.readouterr().err
