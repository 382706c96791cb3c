"""fit, validate and test by the published recipes, on fake data in the true layouts."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from fakes import (
    AFEWVA_ACTORS,
    Picture,
    write_afewva,
    write_affectnet_npy,
    write_fer2013_csv,
    write_ferplus,
    write_folder,
    write_own_table,
    write_picture,
    write_rafdb,
)
from fakes.afew import write_afew, write_sfew
from fakes.affwild import write_affwild, write_affwild2
from fakes.cremad import write_cremad
from fakes.expw import write_expw
from fakes.posed import write_ckplus, write_jaffe, write_mmi
from fakes.rafdb_compound import write_rafdb_compound
from fakes.recola import write_recola
from fakes.semaine import write_semaine

import affectzoo
from affectzoo import weights
from affectzoo.benchmark import runner
from affectzoo.cli import main
from affectzoo.datasets.ids import ids, split_hash
from affectzoo.datatools import stats
from affectzoo.evaluation.protocol import faces
from affectzoo.evaluation.protocols import find_protocol
from affectzoo.evaluation.record import Identity, read_records, records_of
from affectzoo.registry import DATASETS
from affectzoo.training import report
from affectzoo.training.faults import usage_fault
from affectzoo.training.provenance import recipe_hash

REPOSITORY = Path(__file__).parents[2]
RECIPES = sorted((REPOSITORY / "recipes").rglob("*.yaml"))
FERPLUS = REPOSITORY / "recipes" / "dlp_cnn_s" / "ferplus.yaml"
WRITERS: dict[str, Callable[[Path], Path]] = {
    "FERPlus": write_ferplus,
    "FER2013": write_fer2013_csv,
    "RAFDB": lambda root: write_rafdb_compound(write_rafdb(root)),
    "AffectNet": write_affectnet_npy,
    "AFEWVA": write_afewva,
    "AffWild": write_affwild,
    "AffWild2": write_affwild2,
    "SEMAINE": write_semaine,
    "RECOLA": write_recola,
    "AFEW": write_afew,
    "SFEW": write_sfew,
    "CKPlus": write_ckplus,
    "JAFFE": write_jaffe,
    "MMI": write_mmi,
    "ExpW": write_expw,
    "CREMAD": write_cremad,
    "Folder": write_folder,
    "Table": write_own_table,
    "Joined": lambda root: write_affectnet_npy(write_ferplus(root / "ferplus").parent / "affectnet").parent,
}


def told_apart(root: Path) -> Path:
    """Give each fake image and frame 4 x 4 blocks of colors of its own, which a network can tell it by.

    As written, images are noise, which pooling makes all the same, and videos' frames are those of any other.
    """
    random = np.random.default_rng(0)

    def blocks(width: int, height: int, *channels: int) -> Picture:
        few = random.integers(0, 256, (4, 4, *channels), dtype=np.uint8)
        return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)

    for path in sorted(path for path in root.rglob("*.*") if path.is_file()):
        if path.suffix in (".png", ".jpg", ".tiff"):
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert pixels is not None
            height, width, *channels = pixels.shape
            write_picture(path, blocks(width, height, *channels))
        elif path.suffix in (".avi", ".flv"):
            video = cv2.VideoCapture(str(path))
            facts = ("FRAME_WIDTH", "FRAME_HEIGHT", "FRAME_COUNT", "FPS", "FOURCC")
            width, height, frames, rate, codec = (
                int(video.get(getattr(cv2, f"CAP_PROP_{fact}"))) for fact in facts
            )
            video.release()
            writer = cv2.VideoWriter(str(path), codec, rate, (width, height))
            assert writer.isOpened()
            for _ in range(frames):
                writer.write(blocks(width, height, 3))
            writer.release()
    return root


FEW: dict[str, Callable[[Path], Path]] = WRITERS | {
    "FERPlus": lambda root: write_ferplus(root, 1),
    "RAFDB": lambda root: write_rafdb_compound(write_rafdb(root, per_class=2)),
    "AffectNet": lambda root: write_affectnet_npy(root, 1),
    "AFEWVA": lambda root: write_afewva(root, AFEWVA_ACTORS[:6]),
    "AffWild": lambda root: write_affwild(root, frames=3),
    "SFEW": lambda root: write_sfew(root, per_class=1),
    "MMI": lambda root: write_mmi(root, 5),
    "ExpW": lambda root: write_expw(root, 2),
    "Joined": lambda root: (
        write_affectnet_npy(write_ferplus(root / "ferplus", 1).parent / "affectnet", 1).parent
    ),
}
"""Writers of so few faces that a training step can see them all."""

STEPS = 12
"""How many steps of a recipe show that it learns, where each sees the same faces."""

SMALL = ("--data.num_workers", "0", "--data.batch_size", "4", "--trainer.accelerator", "cpu")


def fit(recipe: Path, root: Path, *options: str) -> int:
    return main(["fit", "--config", str(recipe), "--data.root", str(root), *SMALL, *options])


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of one epoch by the published recipe, and its data."""
    base = tmp_path_factory.mktemp("trained")
    root = write_ferplus(base / "data")
    options = ("--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1")
    assert fit(FERPLUS, root, "--run_dir", str(base / "run"), *options) == 0
    return base / "run", root


def reduced(recipe: Path) -> list[str]:
    """Options that let a CPU run a recipe in seconds.

    All faces of the fake training part make one batch, unless the recipe's is smaller: batches of a few faces
    differ more from each other than the loss falls, and one of few classes can blow it up. For the same
    reason no augmentation and no dropout. float32, as few CPUs compute in bfloat16. Smaller layers, memory,
    windows and images where the network takes them. Nothing to fetch, and where a recipe starts from the run
    of another one, random weights are written for it.
    """
    text = recipe.read_text()
    settings = yaml.safe_load(text)
    architecture = settings["model"]["class_path"].rpartition(".")[2]
    batch = min(24, settings["data"]["init_args"]["batch_size"])
    options = ["--data.batch_size", str(batch), "--data.augment", "none", "--trainer.precision", "32-true"]
    if architecture == "VGGSmall":  # its images are of 256 px, and each takes a second a step
        options += ["--data.batch_size", "4", "--model.conv_dropout", "0"]
    if architecture not in ("BaseDCNN", "DLPCNN", "CNNM", "LandmarksSmall"):
        options += ["--model.dropout", "0"]
    if "weights: runs/" in text:  # the run of another recipe, which it starts from
        model = affectzoo.create_model(recipe.parent.name, labels="rafdb7")
        weights.write(Path("start.safetensors"), model.network_state(), model.describe())
        options += ["--model.weights", "start.safetensors"]
    elif "frozen:" in text:  # which needs ImageNet's weights, or those of an own run
        options += ["--model.frozen", "none"]
    if "memory" in text:
        options += ["--model.feature_loss.memory", "16"]
    if architecture in ("VGG16", "VGGFace", "VGG11BN"):  # their 120 M weights are tested elsewhere
        options += ["--model.units", "[64,32]"]
    rate = settings["model"]["init_args"]["optimizer"]
    pretrained = architecture in ("VGG16", "VGGFace", "ResNet50", "CNNM")  # in the papers
    if pretrained and (rate["name"], rate["lr"]) == ("adam", 0.001):
        options += ["--model.optimizer.lr", "0.0001"]  # which the recipes name for a random start
    if architecture == "CNNM":
        options += ["--model.units", "64"]
    window = settings["data"]["init_args"].get("window", 0)
    if window == 80:
        options += ["--data.window", "2", "--model.backbone", "resnet18"]
    elif window > 5:
        options += ["--data.window", "8", "--data.stride", "8"]
    if "frames: 3" in text:
        options += ["--data.frames", "1"]
    if architecture.startswith(("VGG1", "VGGFace", "ResNet", "CNNGRU", "CNNLSTM")):
        options += ["--model.preprocess.size", "32"]  # any does, and 224 px take minutes on a CPU
    return options


def written(recipe: Path, folder: Path, writers: Mapping[str, Callable[[Path], Path]] = WRITERS) -> Path:
    """Fake data for a recipe, in its data set's true layout."""
    return writers[yaml.safe_load(recipe.read_text())["data"]["class_path"].rpartition(".")[2]](folder)


def test_a_dry_run_leaves_nothing(tmp_path: Path) -> None:
    assert fit(FERPLUS, written(FERPLUS, tmp_path / "data"), "--trainer.fast_dev_run", "2") == 0
    assert not [p for p in (tmp_path / "runs").rglob("*") if p.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_published_recipe_learns(recipe: Path, tmp_path: Path) -> None:
    """Some steps on a few faces: the loss stays finite (else ``fit`` stops) and falls."""
    short = ["--trainer.max_steps", str(STEPS), "--trainer.max_epochs", "-1"]
    short += ["--trainer.log_every_n_steps", "1", "--trainer.limit_val_batches", "0", "--run_dir", "run"]
    short += ["--trainer.enable_progress_bar", "false", "--trainer.enable_checkpointing", "false"]
    root = told_apart(written(recipe, tmp_path / "data", FEW))
    assert fit(recipe, root, *short, *reduced(recipe)) == 0
    log = pd.read_csv(tmp_path / "run" / "csv" / "version_0" / "metrics.csv").dropna(subset="train/loss")
    losses = log["train/loss"]
    assert len(losses) == STEPS
    assert losses[-STEPS // 4 :].mean() < losses[log["epoch"] == 0].mean(), losses.to_list()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_no_recipe_chooses_its_epoch_by_the_part_that_it_reports(recipe: Path) -> None:
    settings = yaml.safe_load(recipe.read_text())
    if settings["data"]["init_args"].get("test_split") == "valid":
        assert settings.get("report", {}).get("export") == "last"


@pytest.mark.parametrize("name", DATASETS)
def test_faces_have_ids_that_do_not_depend_on_the_part(name: str, tmp_path: Path) -> None:
    """Runs name their faces by them when the training is over."""
    data_module = DATASETS[name].load_class()
    index = data_module(str(WRITERS[data_module.__name__](tmp_path))).read()
    every = ids(index)
    for split in index.split_counts():
        rows = (index.table["split"] == split).to_numpy()
        assert ids(index.part(split)) == [face for face, own in zip(every, rows, strict=True) if own]


def test_training_on_pictures_in_one_table_leaves_weights(tmp_path: Path) -> None:
    root = write_fer2013_csv(tmp_path / "data")
    recipe = REPOSITORY / "recipes" / "dlp_cnn_s" / "fer2013.yaml"
    assert fit(recipe, root, "--trainer.max_epochs", "1", "--run_dir", "run") == 0
    assert len(weights.read_meta(Path("run") / weights.FILE_NAME).training.train_hash) == 64


def test_run_folder_holds_all_of_a_run(trained: tuple[Path, Path]) -> None:
    run, _ = trained
    assert {p.name for p in run.iterdir()} == {
        *("checkpoints", "config.yaml", "csv", "tensorboard", "model.safetensors", "run.json"),
    }
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    log = (run / "csv" / "version_0" / "metrics.csv").read_text()
    assert {"train/loss", "valid/accuracy", "valid/mean_diagonal"} <= set(log.splitlines()[0].split(","))
    assert list((run / "tensorboard").rglob("events*"))
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert saved["model"]["init_args"]["optimizer"]["lr"] == 0.1


def test_a_run_that_was_killed_before_its_weights_were_written_has_them_in_the_end(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    whole, _ = trained
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    (run / weights.FILE_NAME).unlink()
    assert main(["fit", "--config", str(run / "config.yaml"), "--ckpt_path", str(run)]) == 0
    one, other = (affectzoo.load(folder).state_dict() for folder in (run, whole))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_run_loads_as_a_model(trained: tuple[Path, Path]) -> None:
    run, _ = trained
    model = affectzoo.load(run)
    assert model.labels.names == affectzoo.create_model("dlp_cnn_s", labels="ferplus8").labels.names
    assert model.describe().training.data == "ferplus"
    assert model.describe().training.notes["training_label_rule"] == "crossentropy"
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, tensor in model.network_state().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-3, atol=1e-3)


def test_test_writes_record_and_figure(
    trained: tuple[Path, Path], tmp_path: Path, figures_drawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run, root = trained
    common = ["test", "--config", str(FERPLUS), "--data.root", str(root), *SMALL]
    given = ["--model.weights", str(run), "--run_dir", str(tmp_path / "a"), "--report.note", "made up"]
    assert main([*common, *given]) == 0
    shown = capsys.readouterr().out
    (record,) = read_records(tmp_path / "a")
    assert record["faces"]["total"] == 24 and record["protocol"]["split"] == "test"
    assert record["protocol"]["note"] == "made up"
    assert record["protocol"]["data"]["test"] == "ferplus"
    assert sum(map(sum, record["confusion"])) == 24
    hits = sum(row[i] for i, row in enumerate(record["confusion"]))
    accuracy = record["metrics"]["accuracy"]["value"]
    assert accuracy == pytest.approx(hits / 24)
    assert f"{accuracy:.4f}" in shown
    figure = cv2.imread(str(tmp_path / "a" / "plots" / record["key"] / "confusion_matrix.png"))
    assert figure is not None and figure.shape[0] > 400 and figure.std() > 10
    # the checkpoint behind the exported weights says the same, in the run's own folder
    assert main([*common, "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]) == 0
    (again,) = records_of(run, Identity.read(run / "model.safetensors"))
    assert again["confusion"] == record["confusion"] and again["model"] == record["model"]
    assert again["command"].startswith("affectzoo test --config")
    for name in ("records", "predictions", "plots"):
        shutil.rmtree(run / name)


def test_evaluation_is_the_same_in_two_processes(trained: tuple[Path, Path], tmp_path: Path) -> None:
    run, root = trained
    # 24 faces in batches of 5: uneven last batches, which a repeating sampler would even out
    common = ["validate", "--config", str(FERPLUS), "--data.root", str(root), *SMALL]
    common += ["--data.batch_size", "5", "--model.weights", str(run), "--trainer.precision", "32-true"]
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp_fork"]
    assert main([*common, "--run_dir", str(tmp_path / "one")]) == 0
    assert main([*common, *two, "--run_dir", str(tmp_path / "two")]) == 0
    one, both = (read_records(tmp_path / n)[0] for n in ("one", "two"))
    assert both["faces"]["total"] == 24
    assert both["confusion"] == one["confusion"]


@pytest.mark.slow
def test_resumed_training_goes_on_in_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ferplus(tmp_path / "data")
    assert fit(FERPLUS, root, "--trainer.max_epochs", "1") == 0
    run = tmp_path / "runs" / "dlp_cnn_s-ferplus"
    last = run / "checkpoints" / "last.ckpt"
    before = torch.load(last, weights_only=True)
    first_log = (run / "csv" / "version_0" / "metrics.csv").read_text()
    recipe = (run / "config.yaml").read_text()
    assert fit(FERPLUS, root, "--trainer.max_epochs", "2", "--ckpt_path", str(last)) == 1
    assert (run / "config.yaml").read_text() == recipe, "a refused training is none of the run's"
    steps = before["global_step"]
    told = capsys.readouterr().err
    assert f"(one_cycle) has {steps} steps, this training {2 * steps}" in told
    options = ("--model.schedule.name", "constant", "--trainer.max_epochs", "2")
    assert fit(FERPLUS, root, *options, "--ckpt_path", str(last)) == 0
    assert (run / "config.yaml").read_text() != recipe
    after = torch.load(last, weights_only=True)
    assert after["global_step"] == 2 * before["global_step"]
    assert (run / "csv" / "version_0" / "metrics.csv").read_text() == first_log
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [run.name]


@pytest.mark.slow
def test_last_checkpoint_is_of_the_last_epoch_though_nothing_improved(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "data")
    still = ("--model.schedule.name", "constant", "--model.optimizer.lr", "1e-12")
    assert fit(FERPLUS, root, *still, "--trainer.max_epochs", "3", "--run_dir", str(tmp_path / "run")) == 0
    epochs = {
        name: torch.load(tmp_path / "run" / "checkpoints" / f"{name}.ckpt", weights_only=True)["epoch"]
        for name in ("best", "last")
    }
    assert epochs == {"best": 0, "last": 2}
    assert affectzoo.load(tmp_path / "run").describe().training.epoch == 3  # this recipe exports the last


def test_second_run_gets_a_number(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "data")
    for _ in range(2):
        assert fit(FERPLUS, root, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1") == 0
    names = {p.name for p in (tmp_path / "runs").iterdir()}
    assert names == {"dlp_cnn_s-ferplus", "dlp_cnn_s-ferplus-2"}


def test_class_weights_come_from_the_training_part(tmp_path: Path) -> None:
    from affectzoo import modules
    from affectzoo.datamodules import FERPlus
    from affectzoo.tasks.expression import ExpressionLoss

    root = write_ferplus(tmp_path / "data")
    labels = root / "FER2013Train" / "label.csv"
    kept = [line for line in labels.read_text().splitlines() if line][:-10]  # drops 2 nameless, 8 faces
    labels.write_text("\n".join([*kept[1:], ""]))  # and the first neutral
    model = modules.DLPCNNSmall(labels="ferplus8", loss=ExpressionLoss(class_weights="inverse"))
    data = FERPlus(str(root), preprocess=model.preprocess, num_workers=0, rule="majority")
    data.setup("fit")
    model.tasks[0].use_class_counts(data.train_class_counts())
    assert data.train_class_counts().tolist() == [1, 2, 2, 2, 2, 2, 2, 2]
    assert model.tasks[0].class_weights.tolist() == [1.0, *[0.5] * 7]


def test_what_is_damaged_is_not_offered_to_go_on_from(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained[0], tmp_path / "run")
    last, best = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    last.write_bytes(last.read_bytes()[:1000])
    for left, told in (
        (best, f"to resume from the last finished epoch: .*{best}\n"),
        (None, "^(?!to resume)"),
    ):
        if left is None:
            best.unlink()
        assert fit(run / "config.yaml", trained[1], "--ckpt_path", str(last)) == 1
        assert re.search(told, shown := capsys.readouterr().err) and f"{last}: damaged" in shown


def test_a_trial_in_a_runs_folder_neither_goes_on_with_it_nor_changes_it(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained[0], tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert fit(FERPLUS, trained[1], "--run_dir", str(run), "--trainer.fast_dev_run", "1") == 0
    assert "esum" not in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("weights", ["inverse", "effective"])
@pytest.mark.parametrize("imbalance", ["up", "down", "weighted"])
def test_rare_classes_are_favored_once(weights: str, imbalance: str, tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "data")
    options = ["--model.loss.class_weights", weights, "--data.imbalance", imbalance]
    assert fit(FERPLUS, root, *options, "--trainer.fast_dev_run", "1") == 1
    assert not list((tmp_path / "runs").rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("options", "status", "first_line"),
    [
        (["--model.lerning_rate", "3"], 2, "affectzoo fit: Option 'lerning_rate' is not accepted"),
        (["--data.augment", "foo"], 2, "affectzoo fit: \"augment\": Expected a typing.Literal['none'"),
        (["--model.optimizer.lr=-1"], 1, "affectzoo: optimizer: lr -1"),
        (["--model.labels", "rafdb7"], 1, "affectzoo: ferplus labels faces with contempt, which rafdb7"),
        (["--model.weights", "ferplis"], 1, "affectzoo: unknown model 'ferplis': did you mean"),
        (["--data.root", "nowhere"], 1, "affectzoo: ferplus: "),
        (["--trainer.accelerator", "tpu"], 1, "affectzoo: trainer: "),
        (["--trainer.devices", "0"], 1, "affectzoo: trainer: "),
        (["--trainer.strategy", "nosuch"], 1, "affectzoo: trainer: "),
        (["--seed_everything", "-1"], 1, "affectzoo: seed_everything is -1"),
        (["--trainer.max_epochs", "0"], 1, "affectzoo: trainer.max_epochs is 0"),
        (["--trainer.max_epochs=-2", "--trainer.fast_dev_run=1"], 1, "affectzoo: trainer: "),
        (["--trainer.accumulate_grad_batches", "0"], 1, "affectzoo: trainer.accumulate_grad_batches is 0"),
        (["--trainer.check_val_every_n_epoch", "0"], 1, "affectzoo: trainer.check_val_every_n_epoch is 0"),
        (["--trainer.gradient_clip_val=-1"], 1, "affectzoo: trainer.gradient_clip_val is -1"),
        (
            ["--model.preprocess.size", "1"],
            1,
            "affectzoo: preprocess: dlp_cnn_s does not take gray faces of 1 x",
        ),
        (["--optimizer", "SGD"], 2, "affectzoo fit: "),
        (["--checkpoint.monitor", "valid/los"], 1, "affectzoo: unknown metric to monitor 'valid/los'"),
        (["--checkpoint.monitor", "valid/ccc"], 1, "affectzoo: unknown metric to monitor 'valid/ccc'"),
        (
            ["--checkpoint.monitor=valid/loss", "--checkpoint.mode=max"],
            1,
            "affectzoo: BestCheckpoint: mode max",
        ),
        (["--ckpt_path", "nowhere.ckpt"], 1, "affectzoo: ckpt_path: "),
    ],
)
def test_wrong_settings_say_so_first(
    options: list[str], status: int, first_line: str, ferplus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = fit(FERPLUS, ferplus, *options)
    except SystemExit as stop:
        code = int(str(stop.code))
    assert code == status
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("affectzoo")]
    assert shown[0].startswith(first_line)
    assert not list(Path("runs").glob("*"))  # nothing was trained, nothing is left


@pytest.mark.slow
def test_bar_checkpoints_and_logs_can_be_switched_off(ferplus: Path) -> None:
    off = [f"--trainer.{name}=false" for name in ("enable_progress_bar", "enable_checkpointing", "logger")]
    for options in (off, ["--trainer.barebones=true"]):
        assert (
            fit(FERPLUS, ferplus, "--trainer.max_epochs=1", "--run_dir=run", "--overwrite=true", *options)
            == 0
        )
        assert {path.name for path in Path("run").iterdir()} == {
            "config.yaml",
            "model.safetensors",
            "run.json",
        }
        assert weights.read_meta(Path("run") / weights.FILE_NAME).training.epoch == 1


def test_a_loss_that_is_not_finite_stops_training(ferplus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    high = ("--model.optimizer.lr=1e25", "--model.schedule.name=constant", "--trainer.precision=32-true")
    assert fit(FERPLUS, ferplus, *high, "--trainer.max_epochs=3", "--run_dir=run") == 1
    told = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("affectzoo: "))
    assert "epoch 1, step 1, learning rate 1e+25" in told and ".png" in told
    facts = json.loads((Path("run") / "not_finite.json").read_text())
    assert facts["step"] == 1 and len(facts["faces"]) == 4
    assert not (Path("run") / weights.FILE_NAME).exists()


def test_weights_of_another_label_space_are_refused(
    trained: tuple[Path, Path], rafdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained
    recipe = REPOSITORY / "recipes" / "dlp_cnn_s" / "rafdb.yaml"
    assert fit(recipe, rafdb, "--model.weights", str(run)) == 1
    message = capsys.readouterr().err
    assert "weights for ferplus8" in message and "the model is for rafdb7" in message
    options = ("--model.new_head", "true", "--trainer.fast_dev_run", "1")
    assert fit(recipe, rafdb, "--model.weights", str(run), *options) == 0


def test_checkpoint_of_another_label_space_is_refused(
    trained: tuple[Path, Path], rafdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained
    last = str(run / "checkpoints" / "last.ckpt")
    for recipe, said in (
        ("dlp_cnn_s/rafdb.yaml", "weights for ferplus8 (8: neutral"),
        ("base_dcnn/rafdb.yaml", "weights of dlp_cnn_s, not of base_dcnn"),
    ):
        config = str(REPOSITORY / "recipes" / recipe)
        assert main(["test", "--config", config, "--data.root", str(rafdb), *SMALL, "--ckpt_path", last]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_unreadable_picture_stops_or_is_left_out(
    ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ferplus / "FER2013Valid" / "fer0000030.png"
    assert broken.is_file()
    broken.write_bytes(broken.read_bytes()[:60])
    options = ("--trainer.max_epochs", "1", "--run_dir", str(tmp_path / "run"))
    assert fit(FERPLUS, ferplus, *options) == 1
    message = capsys.readouterr().err
    assert "fer0000030.png" in message and "label.csv, line" in message and "on_unreadable skip" in message
    assert fit(FERPLUS, ferplus, *options, "--data.on_unreadable", "skip") == 0
    for other in (ferplus / "FER2013Valid").glob("*.png"):
        other.write_bytes(b"")
    again = ("--trainer.max_epochs", "1", "--run_dir", str(tmp_path / "again"))
    assert fit(FERPLUS, ferplus, *again, "--data.on_unreadable", "skip") == 1
    assert "can be read" in capsys.readouterr().err
    meta = affectzoo.load(tmp_path / "run").describe()
    assert len(meta.training.notes["unreadable"]) == 1
    assert "fer0000030.png" in meta.training.notes["unreadable"][0]


def test_usage_fault_picks_the_innermost_line() -> None:
    message = (
        'Key "model":\n  Errors:\n    - Problem:\n        Parser key "lr":\n          Expected a float\n'
    )
    message += "    - Expected a <class 'NoneType'>\n  Given value: 3"
    assert usage_fault(message).splitlines()[0] == '"lr": Expected a float'
    assert usage_fault("one line") == "one line"


def test_data_in_other_classes_than_the_models_are_refused_without_the_command_line(ferplus: Path) -> None:
    import lightning.pytorch as pl

    from affectzoo.datamodules import FERPlus
    from affectzoo.modules import lightning_module

    model = lightning_module(affectzoo.create_model("dlp_cnn_s", labels="affectnet8"))
    data = FERPlus(str(ferplus), preprocess=model.preprocess, num_workers=0)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(affectzoo.AffectZooError, match=r"data speak ferplus8.*the model affectnet8"):
        trainer.validate(model, data)


@pytest.mark.slow
def test_weights_say_their_seed_recipe_start_and_faces(trained: tuple[Path, Path], tmp_path: Path) -> None:
    first, root = trained
    one = ("--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", "--run_dir")
    assert fit(FERPLUS, root, *one, "seeded", "--seed_everything", "1") == 0
    assert fit(FERPLUS, root, *one, "faster", "--model.optimizer.lr", "0.2") == 0
    assert fit(FERPLUS, root, *one, "tuned", "--model.weights", "ferplus") == 0
    assert fit(FERPLUS, root, *one, "on", "--model.weights", str(first)) == 0
    runs = (first, *map(Path, ("seeded", "faster", "tuned", "on")))
    told = [weights.read_meta(run / weights.FILE_NAME).training for run in runs]
    assert [facts.seed for facts in told] == [0, 1, 0, 0, 0]
    recipes = [facts.recipe_hash for facts in told]
    assert recipes[0] == recipes[1] and recipes[3] == recipes[4] and len(set(recipes)) == 3
    assert [facts.started_from for facts in told] == [None, None, None, "dlp_cnn_s.ferplus", first.name]
    parts = faces(find_protocol("ferplus_valid"), {"ferplus": root})  # the recipe's own rule and parts
    assert told[0].train_hash == split_hash(ids(parts["train"]))
    assert told[0].valid_hash == split_hash(ids(parts["test"]))


@pytest.mark.parametrize(
    ("part", "name", "value", "told"),
    [
        ("trainer", "limit_val_batches", 0.5, True),
        ("trainer", "limit_val_batches", 0, True),
        ("trainer", "overfit_batches", 2, True),
        ("checkpoint", "save_on_train_epoch_end", False, True),
        ("trainer", "val_check_interval", 10, True),
        ("checkpoint", "every_n_train_steps", 10, True),
        ("trainer", "sync_batchnorm", True, True),
        ("trainer", "accelerator", "cpu", False),
        ("trainer", "limit_val_batches", None, False),
        ("trainer", "overfit_batches", 0.0, False),
    ],
)
def test_recipes_that_differ_in_what_changes_the_result(
    part: str, name: str, value: object, told: bool
) -> None:
    recipe = {"model": {"class_path": "m"}, "data": {"class_path": "d"}, "trainer": {}, "checkpoint": {}}
    other = copy.deepcopy(recipe)
    other[part][name] = value  # type: ignore[assignment]
    assert (recipe_hash(recipe) != recipe_hash(other)) == told


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_data_without_what_the_model_predicts(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_ferplus(tmp_path / "data")  # classes, no values
    model = affectzoo.create_model("dlp_cnn_s", task="va")
    weights.write(tmp_path / "va.safetensors", model.network_state(), model.describe())
    arguments = [command, "--config", str(FERPLUS), "--data.root", str(root), *SMALL, "--model.task", "va"]
    arguments += ["--model.weights", str(tmp_path / "va.safetensors")]
    assert main([*arguments, "--model.labels", "null", "--run_dir", str(tmp_path / "run")]) == 1
    assert "valence, arousal" in capsys.readouterr().err
    assert not list(tmp_path.rglob("model.safetensors")) and not list(tmp_path.rglob("records/*.json"))


# Evaluation


NEW_HEAD = ("--model.labels", "[anger, happiness, sadness]", "--trainer.max_epochs", "1")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recipe that starts from other classes' weights."""
    base = tmp_path_factory.mktemp("fitted")
    recipe = REPOSITORY / "recipes" / "dlp_cnn_s" / "folder.yaml"
    assert fit(recipe, write_folder(base / "faces"), *NEW_HEAD, "--run_dir", str(base / "run")) == 0
    return base / "run"


@pytest.fixture
def evaluation(fitted: Path) -> list[str]:
    """What evaluations of a copy of that run, ``run``, begin with."""
    shutil.copytree(fitted, "run")
    return ["--config", "run/config.yaml", *SMALL]


def test_results_are_of_the_weights_that_were_measured(
    evaluation: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    content["state_dict"]["heads.expression.bias"] += torch.tensor([9.0, 0.0, 0.0])  # another epoch's
    torch.save(content, last)
    assert main(["test", *evaluation, "--ckpt_path", str(last), "--data.test_split", "valid"]) == 0
    assert main(["validate", *evaluation, "--ckpt_path", "run"]) == 0
    publish = ["publish", "run", "--repo", "O/N", "--dry-run", "--out", "p", "--licence", "weights=MIT"]
    publish += ["code=MIT", "pictures=own", "labels=own"]
    assert main(publish) == 1
    assert "nothing was measured" in capsys.readouterr().err
    assert main(["test", *evaluation, "--model.weights", "run", "--data.test_split", "valid"]) == 0
    assert len(list((tmp_path / "run" / "records").iterdir())) == 2
    assert main(publish) == 0
    (published,) = (tmp_path / "p" / "records").iterdir()
    record = json.loads(published.read_text())
    assert record["model"]["tensors_sha256"] == Identity.read(tmp_path / "p" / "model.safetensors").tensors
    assert f"{record['metrics']['accuracy']['value']:.4f}" in (tmp_path / "p" / "README.md").read_text()
    capsys.readouterr()
    assert main(["leaderboard", "run"]) == 0  # a run's folder is one of records, too
    assert "passed over" in capsys.readouterr().err


def test_a_part_of_the_batches_makes_no_record(
    evaluation: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluation = ["test", *evaluation, "--model.weights", "run", "--data.test_split", "valid"]
    evaluation += ["--data.batch_size", "1"]
    for limit in (["--trainer.limit_test_batches", "1"], ["--trainer.fast_dev_run", "true"]):
        caplog.clear()
        assert main([*evaluation, *limit]) == 0
        assert "no record" in caplog.text
    assert not list(tmp_path.rglob("records"))
    assert main([*evaluation, "--trainer.limit_test_batches", "999"]) == 0
    assert len(list((tmp_path / "run" / "records").iterdir())) == 1


@pytest.mark.parametrize("command", ["validate", "test"])
def test_untrained_networks_are_not_measured(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "faces")
    recipe = [command, "--recipe", "dlp_cnn_s/folder", "--data.root", str(root), *SMALL]
    for weights_of in (["--model.weights", "null"], ["--model.weights", "null", "--model.new_head", "true"]):
        assert main([*recipe, *weights_of]) == 1
        assert "--model.weights" in capsys.readouterr().err
    assert not list(tmp_path.rglob("records"))


def test_folders_that_cannot_be_written_are_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_ferplus(tmp_path / "data")
    (tmp_path / "file").touch()
    bad = str(tmp_path / "file" / "out")

    def work(*arguments: Any, **options: Any) -> None:
        raise AssertionError("something was computed")

    for name in ("measurement", "measure", "_measure"):
        for module in (report, runner):
            monkeypatch.setattr(module, name, work, raising=False)
    monkeypatch.setattr(stats, "statistics", work)
    model = ["--model.weights", "ferplus", "--run_dir", bad]
    measured = [
        "benchmark",
        "--data",
        f"ferplus={root}",
        "--protocol",
        "ferplus",
        "--models",
        "dlp_cnn_s.ferplus",
    ]
    for command in (
        ["test", "--config", str(FERPLUS), "--data.root", str(root), *SMALL, *model],
        [*measured, "--out", bad],
        ["data", "stats", "ferplus", "--root", str(root), "--out", bad],
        ["data", "protocol", "ferplus", "--root", str(root), "--out", f"{bad}/ids.json"],
    ):
        assert main(command) == 1
        assert bad in capsys.readouterr().err
