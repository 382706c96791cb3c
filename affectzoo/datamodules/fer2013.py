"""FER-2013 as a DataModule."""

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.fer2013 import read_fer2013
from affectzoo.datasets.index import FaceIndex


class FER2013(FaceDataModule):
    """FER-2013 (Goodfellow et al., 2013): 48 px gray faces, seven classes; CSV or folders."""

    def read_index(self) -> FaceIndex:
        """Read whichever form is there."""
        return read_fer2013(self.root)
