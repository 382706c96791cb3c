"""CK+ as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.ckplus import Classes, ckplus_folds, read_ckplus


class CKPlus(FaceDataModule):
    """CK+ (Lucey et al., CVPRW 2010): posed expressions, the last images of sequences.

    Folds hold whole subjects. Their hash tells whether two results were measured on the same ones.
    """

    def __init__(
        self,
        root: str,
        *,
        fold: int = 0,
        folds: int = 10,
        classes: Classes = 7,
        frames: int = 3,
        **common: Any,
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds the unpacked archives.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of subject-independent folds.
            classes: 7; 8 adds neutral, the first image of each sequence; 6 leaves contempt out.
            frames: How many of a sequence's last images are used; 1 is the peak alone.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(
            read_ckplus, fold=fold, folds=folds, classes=classes, frames=frames, folding=ckplus_folds
        )
