"""MMI as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
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
        self.read_by(read_mmi, fold=fold, folds=folds, frames=frames, folding=mmi_folds)
