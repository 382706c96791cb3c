"""AFEW-VA as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.afewva import afewva_folds, read_afewva


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
        self.read_by(read_afewva, fold=fold, folds=folds, folding=afewva_folds)
