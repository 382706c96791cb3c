"""Two processes train what one process with the same total batch does: losses, faces, weights, memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from fakes import picture, write_afewva, write_ferplus, write_picture

from affectzoo import modules
from affectzoo.datamodules import AFEWVA, FERPlus, Table
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.faces.preprocess import Preprocess
from affectzoo.losses.features import FeatureLoss
from affectzoo.modules import AffectModule
from affectzoo.modules.optim import OptimizerSettings
from affectzoo.tasks.expression import ExpressionLoss
from affectzoo.tasks.va import VALoss

BACKBONE = "test_convnext"  # of timm: tiny, and without batch norm, whose statistics are a process's own
COMMON = {"preprocess": Preprocess(size=32, color="rgb"), "optimizer": OptimizerSettings(lr=0.02)}
LOCALITY = FeatureLoss("locality", weight=0.1, k=2, memory=100)


def write_uneven_ferplus(root: Path) -> Path:
    """23 faces to train on: neither two processes nor batches of 8 divide them."""
    lists = write_ferplus(root) / "FER2013Train" / "label.csv"
    lists.write_text("".join(lists.read_text().splitlines(keepends=True)[1:]))
    return root


def write_partly_labeled(root: Path) -> Path:
    """A table of faces with a class, with valence and arousal, or with all of them."""
    random = np.random.default_rng(0)
    lines = ["path,label,valence,arousal,split"]
    for i in range(37):
        write_picture(root / f"{i}.png", picture(random, 32, 32, 3))
        values = ",", "-0.25,0.5", "0.75,-0.5"
        label = "" if i % 4 == 2 and i % 3 else "calm" if i % 4 else "tense"
        lines.append(f"{i}.png,{label},{values[i % 3]},{'train' if i < 33 else 'valid'}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n")
    return root


def faces(**model: Any) -> AffectModule:
    return modules.Timm(backbone=BACKBONE, head_units=(8,), dropout=0.0, **COMMON, **model)


def clips(**model: Any) -> AffectModule:
    sizes = {"units": 8, "dropout": 0.0}
    return modules.CNNGRU(backbone=f"timm/{BACKBONE}", landmarks=False, **sizes, **COMMON, **model)


class Case(NamedTuple):
    """What is trained, on what."""

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    write: Callable[[Path], Path] = write_uneven_ferplus
    network: Callable[..., AffectModule] = faces
    module: type[FaceDataModule] = FERPlus


def ferplus(imbalance: str = "as_is", rule: str = "majority", cap: int = 2, **model: Any) -> Case:
    return Case({"labels": "ferplus8", **model}, {"rule": rule, "imbalance": imbalance, "cap": cap})


def partly(task: str, **model: Any) -> Case:
    labels = {} if task == "va" else {"labels": ["calm", "tense"]}
    return Case({"task": task, **labels, **model}, {}, write_partly_labeled, faces, Table)


def afewva(window: int, imbalance: str = "as_is", **model: Any) -> Case:
    data = {"fold": 0, "imbalance": imbalance} | ({"window": window} if window else {})
    return Case({"task": "va"} | model, data, write_afewva, clips if window else faces, AFEWVA)


CASES = {
    "softmax": ferplus(),
    "soft labels": ferplus(rule="crossentropy"),
    "max target": ferplus(rule="multi_target", loss=ExpressionLoss("max_target")),
    "inverse weights": ferplus(loss=ExpressionLoss(class_weights="inverse")),
    "effective weights": ferplus(loss=ExpressionLoss(class_weights="effective", beta=0.5)),
    "center": ferplus(feature_loss=FeatureLoss("center", weight=0.1)),
    "locality": ferplus(feature_loss=LOCALITY),
    "locality, small memory, weights": ferplus(
        loss=ExpressionLoss(class_weights="inverse"),
        feature_loss=FeatureLoss("locality", weight=0.1, k=2, memory=11),
    ),
    "up": ferplus("up"),
    "up, locality": ferplus("up", feature_loss=LOCALITY),
    "down": ferplus("down"),
    "weighted, center": ferplus("weighted", feature_loss=FeatureLoss("center", weight=0.1)),
    "partly labeled": partly("expression"),
    "partly labeled values": partly("va"),
    "partly labeled values, CCC": partly("va", va_loss=VALoss("ccc")),
    "partly labeled, both tasks, mix": partly("multitask", va_loss=VALoss("mix", ccc_weight=0.7)),
    "CCC": afewva(0, va_loss=VALoss("ccc")),
    "mix, valence alone, scaled": afewva(0, task="valence", va_loss=VALoss("mix", scale=10.0)),
    "clips, CCC": afewva(3, va_loss=VALoss("ccc")),
    "partly labeled, both tasks, center": partly("multitask", feature_loss=FeatureLoss("center", weight=0.1)),
    "quadrants": afewva(0, "quadrants"),
    "clips": afewva(3),
    "clips, quadrants": afewva(3, "quadrants"),
}


class Kept(pl.Callback):
    """Keeps each step's loss, the mean over processes, and the faces of all, then the state at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: list[torch.Tensor] = []
        self.faces: list[list[int]] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(trainer.strategy.reduce(outputs["loss"].clone(), reduce_op="mean"))
        self.faces.append(sorted(trainer.strategy.all_gather(batch["index"]).flatten().tolist()))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        term = pl_module.feature_term
        kept = {
            name: getattr(term, name)
            for name in ("features", "labels", "rows", "centers")
            if hasattr(term, name)
        }
        found = {"losses": torch.stack(self.losses), "kept": kept, "weights": pl_module.network_state()}
        if trainer.is_global_zero:
            torch.save({**found, "faces": self.faces}, self.path)


def train(processes: int, case: str, root: Path, path: Path) -> None:
    """Train two epochs on batches of eight, without anything that batches' sizes change."""
    torch.set_num_threads(1)
    model, data, _, network, data_module = CASES[case]
    torch.manual_seed(0)
    module = network(**model)
    served = data_module(
        str(root),
        preprocess=module.preprocess,
        labels=module.labels,
        batch_size=8 // processes,
        num_workers=0,
        augment="none",
        **data,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="ddp_fork" if processes > 1 else "auto",
        max_epochs=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Kept(path)],
    )
    torch.manual_seed(0)
    trainer.fit(module, datamodule=served)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one(case: str, tmp_path: Path) -> None:
    root = CASES[case].write(tmp_path / "data")
    context = multiprocessing.get_context(
        "forkserver"
    )  # a fork of this process would inherit torch's threads
    context.set_forkserver_preload(["affectzoo.training.command"])
    started = []
    for number in (1, 2):
        started.append(context.Process(target=train, args=(number, case, root, tmp_path / f"{number}.pt")))
        started[-1].start()
    for process in started:
        process.join(300)
        assert process.exitcode == 0
    one, two = (torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in (1, 2))
    assert len(one["losses"]) >= 2 and two["faces"] == one["faces"]
    assert two["kept"].keys() == one["kept"].keys()
    assert bool(one["kept"]) == ("feature_loss" in CASES[case].model)
    pairs = [(two["losses"], one["losses"])]
    pairs += [(two[part][name], one[part][name]) for part in ("kept", "weights") for name in one[part]]
    losses, *state = (float((mine - other).abs().max()) for mine, other in pairs)
    shown = f"{len(one['losses'])} steps, {sum(map(len, one['faces']))} faces"
    print(
        f"{case}: {shown}; at most apart: losses {losses:.1e}, memory, centers and weights {max(state):.1e}"
    )
    torch.testing.assert_close(two["losses"], one["losses"], rtol=1e-4, atol=1e-5)
    for part in ("kept", "weights"):
        torch.testing.assert_close(two[part], one[part], rtol=1e-3, atol=1e-4)
