"""AFEW as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.afew import Pictures, read_afew


class AFEW(FaceDataModule):
    """AFEW (Dhall et al., IEEE MultiMedia 2012; EmotiW): clips from films, seven classes, one per clip.

    The test part's labels are withheld: ``test_split="valid"`` tests on the validation part, as papers do.
    """

    def __init__(self, root: str, *, pictures: Pictures = "aligned", **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds ``Train_AFEW`` and ``Val_AFEW``.
            pictures: The organisers' face crops, or the videos' whole frames.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_afew, pictures=pictures)
