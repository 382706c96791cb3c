"""CREMA-D as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.cremad import Target, Truth, cremad_folds, read_cremad


class CREMAD(FaceDataModule):
    """CREMA-D (Cao et al., TAC 2014): acted clips, six emotions, rated by a crowd from the face alone.

    Folds hold whole actors. Their hash tells whether two results were measured on the same ones.
    """

    def __init__(
        self,
        root: str,
        *,
        fold: int = 0,
        folds: int = 5,
        truth: Truth = "face",
        target: Target = "label",
        min_level: float = 0.0,
        every: int = 1,
        **common: Any,
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The repository's folder, with ``VideoFlash`` and ``processedResults``.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of folds, which hold whole actors.
            truth: The label: what most raters saw in the face, or what was acted.
            target: Train on the label or on the shares of the raters' votes.
            min_level: Leave out clips whose label's level, 0 to 100, is below; it is 0 where no rater saw it.
            every: Take one in so many frames.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(
            read_cremad,
            fold=fold,
            folds=folds,
            truth=truth,
            target=target,
            min_level=min_level,
            every=every,
            folding=cremad_folds,
        )
