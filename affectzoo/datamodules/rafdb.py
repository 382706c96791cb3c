"""RAF-DB as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.rafdb import Part, Pictures, Points, Target, read_rafdb
from affectzoo.errors import AffectZooError


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
        self.portion: Part = part
        self.pictures: Pictures = pictures
        self.points: Points = points
        self.target: Target = target

    def setup(self, stage: str) -> None:
        """Read the parts that a stage needs.

        Raises:
            EmptySplitError: One of them holds no face.
            AffectZooError: Training would mirror the automatic landmarks.
        """
        if stage == "fit" and self.points == "auto" and self.augment not in ("none", "random_crop"):
            raise AffectZooError(
                f"rafdb: augment {self.augment} mirrors faces, but which of the 37 automatic landmarks is "
                "whose mirror image is not documented; choose --data.augment none or random_crop"
            )
        super().setup(stage)

    def read_index(self) -> FaceIndex:
        """Read the partition list and what else was asked for."""
        return read_rafdb(self.root, self.pictures, self.portion, points=self.points, target=self.target)
