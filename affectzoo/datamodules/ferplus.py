"""FER+ as a DataModule."""

from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.dataset import Targets
from affectzoo.datasets.ferplus import read_ferplus
from affectzoo.datasets.votes import VoteRule

_TARGETS: dict[VoteRule, Targets] = {"probability": "draw", "multi_target": "positive"}


class FERPlus(FaceDataModule):
    """FER+ (Barsoum et al., ICMI 2016): 48 px gray faces, eight classes, ten votes each."""

    def __init__(
        self, root: str, *, rule: VoteRule = "crossentropy", circumplex: bool = False, **common: Any
    ) -> None:
        """Say which data and how to serve it.

        Args:
            root: The folder that holds ``FER2013Train`` and its siblings.
            rule: How votes become training targets; validation and test always use the majority.
            circumplex: Give each face the valence and arousal that its votes stand for (a projection, not an
                annotation; see ``affectzoo.datasets.votes``).
            **common: As for every data set.
        """
        super().__init__(root, **common)
        self.train_targets = _TARGETS.get(rule, "distribution")
        self.read_by(read_ferplus, rule=rule, circumplex=circumplex)
