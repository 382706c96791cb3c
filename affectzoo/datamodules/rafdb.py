"""RAF-DB's basic part as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.rafdb import Pictures, read_rafdb


class RAFDB(FaceDataModule):
    """RAF-DB basic (Li et al., CVPR 2017): real-world faces, seven classes."""

    def __init__(self, root: str, *, pictures: Pictures = "aligned", **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder ``basic``, or the one that holds it.
            pictures: The authors' aligned 100 px faces, or the originals with boxes and landmarks.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.pictures: Pictures = pictures

    def read_index(self) -> FaceIndex:
        """Read the partition list and, for originals, the annotations."""
        return read_rafdb(self.root, self.pictures)
