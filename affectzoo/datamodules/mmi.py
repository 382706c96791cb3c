"""MMI as a DataModule."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.mmi import mmi_folds, read_mmi


class MMI(FaceDataModule):
    """MMI (Pantic et al., ICME 2005): videos of posed expressions, six classes, the middle frames.

    Folds hold whole subjects. Their hash tells whether two results were measured on the same ones.
    """

    def __init__(self, root: str, *, fold: int = 0, folds: int = 10, frames: int = 3, **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder ``Sessions``, or one that holds it.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of subject-independent folds.
            frames: How many middle frames of each video are used.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.fold = fold
        self.folds = folds
        self.frames = frames

    def read_index(self) -> FaceIndex:
        """Read the sessions and name the folds' hash."""
        digest = folds_hash(mmi_folds(self.root, self.folds))
        rank_zero_info(f"mmi: test fold {self.fold} of {self.folds}, folds {digest}")
        return read_mmi(self.root, self.fold, folds=self.folds, frames=self.frames)
