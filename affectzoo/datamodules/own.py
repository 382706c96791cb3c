"""Your own faces as DataModules: a folder per class, or a CSV file."""

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.table import read_table


class Folder(FaceDataModule):
    """Your own ready crops: one folder per class, inside ``train``, ``valid`` and ``test`` if you like."""

    def read_index(self) -> FaceIndex:
        """Read the folders; without folders for parts, all images are for training."""
        return read_folder(self.root, "train")


class Table(FaceDataModule):
    """Your own images listed in ``faces.csv`` with classes, valence and arousal, boxes or landmarks."""

    def read_index(self) -> FaceIndex:
        """Read the CSV file."""
        return read_table(self.root)
