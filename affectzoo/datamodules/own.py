"""Your own faces as DataModules: a folder per class, a CSV file, or several data sets at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.joined import join
from affectzoo.datasets.table import read_table
from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.registry import DATASETS


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


class Joined(FaceDataModule):
    """Several data sets below one folder, trained on together: faces lack the labels that their set lacks."""

    def __init__(self, root: str, *, parts: dict[str, dict[str, Any]], **common: Any) -> None:
        """Say which data sets.

        Args:
            root: A folder above theirs.
            parts: For each data set, by name, the options of its own data module (such as ``rule``,
                ``merge``, ``drop_unmapped``), and ``folder``, its folder below ``root``; by default its name.
            **common: As for every data set; these hold for all of them.

        Raises:
            UnknownNameError: There is no such data set.
            OptionError: A data set lacks an option that is named.
        """
        super().__init__(root, **common)
        self.parts = parts
        self._modules: dict[str, FaceDataModule] = {}
        for name, options in parts.items():
            if name not in DATASETS:
                raise UnknownNameError("data set", name, DATASETS, "(see: affectzoo datasets)")
            given = {"folder": name, **options}
            try:
                folder = str(Path(self.root) / str(given.pop("folder")))
                self._modules[name] = DATASETS[name].load_class()(folder, **given)
            except TypeError as error:
                raise OptionError(f"data.parts: {name}: {error}") from None
        ways = {module.train_targets for module in self._modules.values()} or {self.train_targets}
        if len(ways) > 1:
            raise OptionError(
                f"data.parts: training targets are {' and '.join(sorted(ways))}; give parts one rule"
            )
        self.train_targets = ways.pop()

    def read_index(self) -> FaceIndex:
        """Read each data set, and join them."""
        indices = {}
        for name, module in self._modules.items():
            module.labels = self.labels
            indices[name] = module.index
        return join(self.root, indices)
