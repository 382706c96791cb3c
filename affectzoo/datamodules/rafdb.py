"""RAF-DB as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.rafdb import Part, Pictures, Points, Target, read_rafdb


class RAFDB(FaceDataModule):
    """RAF-DB (Li et al., CVPR 2017): real-world faces, seven basic or eleven compound classes."""

    def __init__(
        self,
        root: str,
        *,
        part: Part = "basic",
        pictures: Pictures = "aligned",
        points: Points = "manual",
        target: Target = "label",
        **common: Any,
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The part's folder, ``basic`` or ``compound``, or the one that holds it.
            part: Seven basic classes or eleven compound ones.
            pictures: The authors' aligned 100 px faces, or the originals with boxes and landmarks.
            points: Landmarks of originals: 5 manual ones, or 37 automatic ones, which cannot be
                mirrored: train with augment ``none`` or ``random_crop``.
            target: Train on the label or on the crowd's distribution over the basic classes.
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_rafdb, part=part, pictures=pictures, points=points, target=target)
