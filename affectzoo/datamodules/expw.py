"""ExpW as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.expw import read_expw


class ExpW(FaceDataModule):
    """ExpW (Zhang et al., ICCV 2015): faces from web searches, seven classes.

    The test part is drawn by the images' names, as there is no official one.
    """

    def __init__(
        self, root: str, *, test_fraction: float = 0.1, min_confidence: float = 0.0, **common: Any
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder ``data``, or the one that holds it.
            test_fraction: Share of the images drawn as test part.
            min_confidence: Least confidence of the face detector.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_expw, test_fraction=test_fraction, min_confidence=min_confidence)
