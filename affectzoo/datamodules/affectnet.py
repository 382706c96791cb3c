"""AffectNet as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.affectnet import Classes, read_affectnet


class AffectNet(FaceDataModule):
    """AffectNet (Mollahosseini et al., TAC 2019): faces from the web, eight classes, valence, arousal.

    There is no test part: ``test_split="valid"`` tests on the official validation part, as papers do.
    """

    def __init__(self, root: str, *, classes: Classes = 8, keep_none: bool = False, **common: Any) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds ``train_set`` and ``val_set``, or the older release's lists.
            classes: 8; 7 leaves contempt out; 6 leaves contempt and disgust out.
            keep_none: Keep faces labeled ``none`` for valence and arousal (older release).
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.read_by(read_affectnet, classes=classes, keep_none=keep_none)
