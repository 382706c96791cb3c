"""SFEW 2.0 as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.sfew import Pictures, read_sfew


class SFEW(FaceDataModule):
    """SFEW 2.0 (Dhall et al., ICCVW 2011; EmotiW 2015): stills from films, seven classes.

    The test part's labels are withheld: ``test_split="valid"`` tests on the validation part, as papers do.
    """

    def __init__(self, root: str, *, pictures: Pictures = "aligned", **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds the parts.
            pictures: The organisers' face crops, or the whole stills.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_sfew, pictures=pictures)
