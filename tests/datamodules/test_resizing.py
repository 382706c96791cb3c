"""Faces that grow during a training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from affectzoo.datamodules.resizing import ProgressiveResizing
from affectzoo.errors import OptionError


def resized(batch: dict[str, Any], epoch: int) -> dict[str, Any]:
    callback = ProgressiveResizing({1: 16, 3: 64})
    callback.on_train_batch_start(SimpleNamespace(current_epoch=epoch), None, batch, 0)  # type: ignore[arg-type]
    return batch


@pytest.mark.parametrize(("epoch", "size"), [(0, 32), (1, 16), (2, 16), (3, 32), (9, 32)])
@pytest.mark.parametrize("leading", [(2,), (2, 3)], ids=["faces", "clips"])
def test_sizes_by_epoch(epoch: int, size: int, leading: tuple[int, ...]) -> None:
    image = torch.rand(*leading, 3, 32, 32)
    batch = resized({"image": image, "label": torch.zeros(2)}, epoch)
    assert batch["image"].shape == (*leading, 3, size, size)
    torch.testing.assert_close(batch["image"].mean(), image.mean(), rtol=0.05, atol=0)


@pytest.mark.parametrize("sizes", [{}, {-1: 32}, {0: 0}, {0: 32, 3: -4}])
def test_sizes_are_sizes(sizes: dict[int, int]) -> None:
    with pytest.raises(OptionError, match="sizes is"):
        ProgressiveResizing(sizes)


def test_landmarks_move_along() -> None:
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 8:10, 20:22] = 1  # a dot whose center is at 20.5, 8.5
    batch = resized({"image": image, "landmarks": torch.tensor([[[20.5, 8.5]]])}, 1)
    assert batch["landmarks"].tolist() == [[[10.0, 4.0]]]
    assert batch["image"][0, 0].argmax() == 4 * 16 + 10
