"""Trainings whose targets are mixed with what other models say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Trainer

import affectzoo
from affectzoo import store
from affectzoo.cli import main
from affectzoo.datamodules import FERPlus
from affectzoo.errors import LabelError, OptionError
from affectzoo.files.images import read_image
from affectzoo.modules import DLPCNNSmall
from affectzoo.training.distillation import Distillation
from affectzoo.weights import read_meta

TEACHER = "dlp_cnn_s.ferplus"


def started(
    ferplus: Path, teaching: Distillation, labels: str = "ferplus8"
) -> tuple[Trainer, DLPCNNSmall, FERPlus]:
    """A trainer as it stands before its first step."""
    student = DLPCNNSmall(labels=labels)
    data = FERPlus(
        str(ferplus), preprocess=student.preprocess, labels=student.labels, drop_unmapped=True, num_workers=0
    )
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.datamodule = data  # type: ignore[attr-defined]
    data.setup("fit")
    teaching.on_fit_start(trainer, student)
    return trainer, student, data


def test_targets_are_mixed_by_row(ferplus: Path) -> None:
    teaching = Distillation([TEACHER], share=0.25, temperature=2.0)
    trainer, student, data = started(ferplus, teaching)
    index = data.split_index("train")
    rows = [5, 0, 7]
    paths = [index.root / index.table["path"].iloc[row] for row in rows]
    teacher = affectzoo.load(TEACHER)
    faces = torch.stack([teacher.preprocess(read_image(path)) for path in paths])
    with torch.no_grad():
        said = (teacher(faces).expression / 2).softmax(dim=1)
    target = torch.eye(8)[:3].clone()
    target[2] = torch.nan
    batch = {"index": torch.tensor(rows), "target": target}
    teaching.on_train_batch_start(trainer, student, batch, 0)
    wanted = torch.cat([0.75 * torch.eye(8)[:2] + 0.25 * said[:2], said[2:]])
    torch.testing.assert_close(batch["target"], wanted, rtol=0, atol=1e-5)


def test_a_face_that_no_teacher_can_read_keeps_its_label(ferplus: Path) -> None:
    teaching = Distillation([TEACHER, TEACHER])
    student = DLPCNNSmall(labels="ferplus8")
    data = FERPlus(str(ferplus), preprocess=student.preprocess, labels=student.labels, on_unreadable="skip")
    data.setup("fit")
    index = data.split_index("train")
    (index.root / index.table["path"].iloc[1]).write_bytes(b"")
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.datamodule = data  # type: ignore[attr-defined]
    teaching.on_fit_start(trainer, student)
    batch = {"index": torch.tensor([1, 2]), "target": torch.eye(8)[:2]}
    teaching.on_train_batch_start(trainer, student, batch, 0)
    assert batch["target"][0].tolist() == torch.eye(8)[0].tolist()
    assert 0 < batch["target"][1, 1] < 1 and batch["target"][1].sum() == pytest.approx(1, abs=1e-5)


def test_weights_say_who_taught(ferplus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    shutil.copy(store.locate(TEACHER).path, tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    teaching = {"class_path": "affectzoo.training.distillation.Distillation", "init_args": {}}
    teaching["init_args"] = {"teachers": [TEACHER, "own.safetensors"], "share": 1.0}
    content = {
        "model": {"class_path": "affectzoo.modules.DLPCNNSmall", "init_args": {"labels": "ferplus8"}},
        "data": {
            "class_path": "affectzoo.datamodules.FERPlus",
            "init_args": {"root": str(ferplus), "batch_size": 8, "num_workers": 0},
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "callbacks": [teaching]},
    }
    recipe.write_text(yaml.safe_dump(content))
    assert main(["fit", "--config", str(recipe), "--run_dir", str(run)]) == 0
    meta = read_meta(run / "model.safetensors")
    assert meta.training.notes["teachers"][0] == TEACHER
    said = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["trainer"]["callbacks"]
    teachers = next(
        one["init_args"]["teachers"] for one in said if one["class_path"].endswith("Distillation")
    )
    assert teachers == [TEACHER, str(tmp_path / "own.safetensors")]  # good from any folder
    assert meta.license["labels"].startswith(f"soft labels by {TEACHER} (Apache-2.0; images: FER-2013")


def test_other_classes_are_refused(ferplus: Path) -> None:
    with pytest.raises(
        LabelError, match=r"dlp_cnn_s\.ferplus predicts neutral.*, the student .*; a teacher "
    ):
        started(ferplus, Distillation([TEACHER]), labels="rafdb7")


def test_a_teacher_of_values_is_refused(ferplus: Path) -> None:
    with pytest.raises(LabelError, match=r"cnn_gru\.rendered predicts no classes"):
        started(ferplus, Distillation(["cnn_gru.rendered"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teachers": []}, "expected a list of names"),
        ({"teachers": "x"}, "expected a list of names"),
        ({"teachers": ["x"], "share": 0.0}, "share is 0.0"),
        ({"teachers": ["x"], "share": 1.5}, "share is 1.5"),
        ({"teachers": ["x"], "temperature": float("nan")}, "temperature nan"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Distillation(**options)
