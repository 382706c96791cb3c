"""RECOLA as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.recola import read_recola, recola_folds


class RECOLA(FaceDataModule):
    """RECOLA (Ringeval et al., FG 2013): video calls, valence and arousal fused over six raters.

    Test annotations were never published: ``fold`` makes a test part of the published persons.
    """

    def __init__(
        self,
        root: str,
        *,
        fold: int | None = None,
        folds: int = 5,
        every: int = 1,
        lag: float = 0.0,
        **common: Any,
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds the annotations and videos.
            fold: ``None``: AVEC's training and development parts; a number, 0 to ``folds - 1``: that fold of
                all persons is the test part.
            folds: Number of folds, which hold whole persons.
            every: Take one in so many frames.
            lag: Seconds that annotations come after what they describe.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_recola, fold=fold, folds=folds, every=every, lag=lag, folding=recola_folds)
