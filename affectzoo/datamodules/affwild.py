"""Aff-Wild and Aff-Wild2 as DataModules."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.affwild import affwild_folds, read_affwild
from affectzoo.datasets.affwild2 import Pictures, read_affwild2


class AffWild(FaceDataModule):
    """Aff-Wild (Kollias et al., IJCV 2019): videos of reactions, valence and arousal for each frame.

    The authors' test annotations were withheld: ``fold`` makes a test part of training videos.
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
            root: The folder that holds ``annotations``, ``bboxes``, ``landmarks`` and ``videos``.
            fold: ``None``: the authors' parts; a number, 0 to ``folds - 1``: that fold of the training videos
                is the test part.
            folds: Number of folds, which hold whole videos.
            every: Take one in so many frames.
            lag: Seconds that annotations come after what they describe.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(
            read_affwild,
            fold=fold,
            folds=folds,
            every=every,
            lag=lag,
            folding=affwild_folds,
        )


class AffWild2(FaceDataModule):
    """Aff-Wild2 (Kollias and Zafeiriou, BMVC 2019): cropped faces of videos, valence and arousal for each.

    There is no test part: ``test_split="valid"`` tests on the official validation part, as papers do.
    """

    def __init__(
        self, root: str, *, pictures: Pictures = "cropped_aligned", every: int = 1, **common: Any
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds the annotations and the crops.
            pictures: ``cropped_aligned`` or ``cropped``.
            every: Take one in so many frames.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_affwild2, pictures=pictures, every=every)
