"""The faces that a protocol reports on and learns from, fold by fold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.datasets.ids import ids, split_hash, truth_hash

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.evaluation.protocols import Protocol
    from affectzoo.labels import LabelSpace


@dataclass(frozen=True)
class Fold:
    """The faces of one fold of a protocol, or of the one test part there is.

    Attributes:
        protocol: Which one.
        number: The fold's; ``None`` where the test part is fixed.
        parts: ``test`` and, where there is one, ``train``.
        start: Where the test faces begin in ``whole``.
        whole: The test faces of all folds, one below the other.
    """

    protocol: Protocol
    number: int | None
    parts: Mapping[str, FaceIndex]
    start: int
    whole: FaceIndex

    @property
    def test(self) -> FaceIndex:
        """The faces to report on."""
        return self.parts["test"]

    @property
    def labels(self) -> LabelSpace | None:
        """The protocol's classes."""
        return None if self.protocol.task == "va" else self.test.labels

    @property
    def place(self) -> tuple[int | None, int | None]:
        """Which of how many folds the test faces are, as far as that is known."""
        if self.number is not None:
            return self.number, self.protocol.folds
        options = self.protocol.test.options
        return options.get("fold"), options.get("folds")

    @cached_property
    def hash(self) -> str:
        """The hash of the faces to report on."""
        return split_hash(ids(self.test))

    @cached_property
    def sums(self) -> dict[str, str]:
        """The hash of each part's faces with their labels and values."""
        return {name: truth_hash(part) for name, part in self.parts.items() if name != "valid"}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The hash of each part's boxes and landmarks, by which faces are cut."""
        return {
            name: hashlib.sha256(
                b"".join(map(_bytes, part.table[["box", "landmarks"]].to_numpy().ravel()))
            ).hexdigest()
            for name, part in self.parts.items()
            if name != "valid"
        }

    def spread(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Values of some of the test faces among all of them, NaN for the others.

        Args:
            values: Shape (n, D).
            rows: Their places, shape (n,).
        """
        whole = np.full((len(self.test), values.shape[1]), np.nan)
        whole[rows] = values
        return whole


def _bytes(value: Any) -> bytes:
    return b"-" if value is None else np.asarray(value, np.float32).tobytes()
