"""Two processes train what one process with the same total batch does: losses, faces, weights, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from fakes import write_ferplus

from affectzoo import modules
from affectzoo.datamodules import FERPlus
from affectzoo.faces.preprocess import Preprocess
from affectzoo.losses.features import FeatureLoss
from affectzoo.modules.optim import OptimizerSettings
from affectzoo.tasks.expression import ExpressionLoss

LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {},
    "class weights": {"loss": ExpressionLoss(class_weights="inverse")},
    "center": {"feature_loss": FeatureLoss("center", weight=0.1)},
    "locality": {"feature_loss": FeatureLoss("locality", weight=0.1, k=2, memory=100)},
}
BALANCES: dict[str, dict[str, Any]] = {
    "up": {"imbalance": "up"},
    "down": {"imbalance": "down", "cap": 2},
    "weighted": {"imbalance": "weighted"},
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


def train(
    processes: int, root: Path, path: Path, model: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """Train two epochs on batches of eight, without anything that batches' sizes change."""
    torch.manual_seed(0)
    module = modules.VGG16(
        labels="ferplus8",
        units=(16, 8),
        dropout=0.0,
        preprocess=Preprocess(size=32, color="rgb"),
        optimizer=OptimizerSettings(lr=0.01),
        **model,
    )
    faces = FERPlus(
        str(root),
        preprocess=module.preprocess,
        labels=module.labels,
        batch_size=8 // processes,
        num_workers=0,
        rule="majority",
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
    trainer.fit(module, datamodule=faces)
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", [*LOSSES, *BALANCES])
def test_two_processes_train_as_one(case: str, tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "data")
    options = (LOSSES.get(case, {}), BALANCES.get(case, {}))
    one = train(1, root, tmp_path / "one.pt", *options)
    two = train(2, root, tmp_path / "two.pt", *options)
    assert len(one["losses"]) > 2 and two["faces"] == one["faces"]
    torch.testing.assert_close(two["losses"], one["losses"], rtol=1e-4, atol=1e-5)
    for part in ("kept", "weights"):
        torch.testing.assert_close(two[part], one[part], rtol=1e-3, atol=1e-4)
    assert bool(one["kept"]) == (case in ("center", "locality"))
