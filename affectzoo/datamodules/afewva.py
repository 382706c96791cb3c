"""AFEW-VA as a DataModule."""

from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.afewva import afewva_folds, read_afewva
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.index import FaceIndex


class AFEWVA(FaceDataModule):
    """AFEW-VA (Kossaifi et al., IVC 2017): clips from films, valence and arousal for each frame.

    Folds hold whole persons. Their hash tells whether two results were measured on the same ones.
    """

    def __init__(self, root: str, *, fold: int = 0, folds: int = 5, **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds the clips' folders.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of person-independent folds.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.fold = fold
        self.folds = folds

    def read_index(self) -> FaceIndex:
        """Read every clip's frames and name the folds' hash."""
        digest = folds_hash(afewva_folds(self.root, self.folds))
        rank_zero_info(f"afewva: test fold {self.fold} of {self.folds}, folds {digest}")
        return read_afewva(self.root, self.fold, folds=self.folds)
