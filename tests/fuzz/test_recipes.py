"""Damaged recipes: a training of one step, or one line that says what is wrong."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from fakes import picture, write_picture
from hypothesis import given
from hypothesis import strategies as st

from affectzoo import cli
from fuzz.mutation import damaged, fuzzed, mutate, no_hang, restored

FEW = 4
"""Mutants in the default suite; each is a training."""

SETTINGS = {
    "seed_everything": 3,
    "model": {
        "class_path": "affectzoo.modules.DLPCNNSmall",
        "init_args": {
            "labels": ["calm", "tense"],
            "task": "expression",
            "frozen": "none",
            "preprocess": {"size": 48, "mean": [0.5], "std": [0.25], "margin": 0.1},
            "loss": {"name": "cross_entropy"},
            "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
            "schedule": {"name": "one_cycle", "warmup": 0.2},
            "dropout": 0.2,
        },
    },
    "data": {
        "class_path": "affectzoo.datamodules.Folder",
        "init_args": {
            "batch_size": 2,
            "augment": "modern",
            "valid_fraction": 0.25,
            "merge": {"tense": "tense"},
            "imbalance": "as_is",
            "on_unreadable": "skip",
            "seed": 1,
        },
    },
    "trainer": {"max_epochs": 2, "gradient_clip_val": 1.0, "precision": "32-true", "log_every_n_steps": 5},
    "checkpoint": {"monitor": "valid/accuracy", "mode": "max"},
    "report": {"export": "best"},
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    for name in ("calm", "tense"):
        for i in range(4):
            write_picture(root / name / f"{i}.png", picture(np.random.default_rng(i), 48, 48))
    return root


def fit(faces: Path) -> int:
    """Train one step by the recipe beside the faces; its exit status."""
    fixed = {"config": faces.with_name("recipe.yaml"), "data.root": faces, "run_dir": faces.with_name("run")}
    fixed |= {f"trainer.{name}": 1 for name in ("fast_dev_run", "devices", "num_nodes")}
    fixed |= {"data.num_workers": 0, "trainer.accelerator": "cpu"}
    try:
        return cli.main(
            ["fit", *(text for name, value in fixed.items() for text in (f"--{name}", str(value)))]
        )
    except SystemExit as stop:
        return int(stop.code or 0)


def test_the_sound_recipe_trains(faces: Path) -> None:
    faces.with_name("recipe.yaml").write_text(yaml.safe_dump(SETTINGS))
    assert fit(faces) == 0


@fuzzed(FEW, 1 / 100)
@given(data=st.data())
def test_damaged_recipes_train_or_are_told(data: st.DataObject, faces: Path) -> None:
    path = faces.with_name("recipe.yaml")
    path.write_text(yaml.safe_dump(SETTINGS))
    with restored(path, path), no_hang(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if data.draw(st.integers(0, 3)):
            path.write_text(json.dumps(damaged(SETTINGS, data.draw)))  # which is YAML, too
        else:
            mutate(path, data.draw)
        assert fit(faces) in (0, 1, 2)
