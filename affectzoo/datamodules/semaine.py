"""SEMAINE as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.semaine import read_semaine, semaine_folds


class SEMAINE(FaceDataModule):
    """SEMAINE (McKeown et al., TAC 2012): filmed talks, valence and arousal averaged over raters.

    Folds hold whole recordings. Their hash tells whether two results were measured on the same ones.
    """

    def __init__(
        self,
        root: str,
        *,
        fold: int = 0,
        folds: int = 5,
        every: int = 10,
        camera: str = "*user*frontal*",
        lag: float = 0.0,
        **common: Any,
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds ``Sessions``.
            fold: The test fold, 0 to ``folds - 1``.
            folds: Number of folds.
            every: Take one in so many frames.
            camera: Pattern for the name of a session's video, where there are several.
            lag: Seconds that annotations come after what they describe.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(
            read_semaine, fold=fold, folds=folds, every=every, camera=camera, lag=lag, folding=semaine_folds
        )
