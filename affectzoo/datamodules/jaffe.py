"""JAFFE as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.jaffe import jaffe_folds, read_jaffe


class JAFFE(FaceDataModule):
    """JAFFE (Lyons et al., FG 1998): posed expressions of ten women, seven classes.

    By default, folds leave one subject out, in alphabetical order. The folds' hash tells whether two
    results were measured on the same ones.
    """

    def __init__(self, root: str, *, fold: int = 0, folds: int | None = None, **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder with the images, or one that holds it.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of subject-independent folds; by default one per subject.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_jaffe, fold=fold, folds=folds, folding=jaffe_folds)
