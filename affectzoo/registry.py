"""Every architecture and data set by name; command line, torch.hub and tables derive from it.

The zoo's own stand in ``assets/registry.toml``. Nothing heavy is imported here: a class is loaded when it is
first built. Other packages add their own by the
entry points ``affectzoo.architectures`` and ``affectzoo.datasets`` (name and ``module:Class``), programs by
``register_architecture`` and ``register_dataset``.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.labels import AFFECT

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from affectzoo.datamodules.base import FaceDataModule
    from affectzoo.models.base import AffectModel

FILE = Path(__file__).parent / "assets" / "registry.toml"

DEFAULT_MODEL = "mobilenet_v1.ferplus_distilled"
"""The bundled weights that ``predict``, ``demo`` and ``serve`` take if no others are named."""


@dataclass(frozen=True)
class Architecture:
    """What the zoo knows of an architecture before building it.

    Attributes:
        name: What users type.
        target: Module and class of its network, ``module:Class``.
        summary: One line for tables and help.
        source: Paper, table or equation it follows.
        recipe: Its default recipe, below ``recipes/``; empty where the zoo has none.
        tasks: The tasks it can be built for.
    """

    name: str
    target: str
    summary: str
    source: str = ""
    recipe: str = ""
    tasks: tuple[str, ...] = AFFECT

    def load_class(self) -> type[AffectModel]:
        """Import the architecture's network."""
        module, _, name = self.target.partition(":")
        loaded: type[AffectModel] = getattr(importlib.import_module(module), name)
        return loaded


@dataclass(frozen=True)
class DataSet:
    """What the zoo knows of a data set before reading it.

    Attributes:
        name: What users type.
        target: Module and class of its LightningDataModule, ``module:Class``.
        title: Its name, authors, year and venue.
        access: How to get access, and the license.
        counts: Published number of faces by split, or ``total`` where splits are computed; as its data module
            reads it by default, faces that it excludes as unusable included. AffectNet: the newer release.
    """

    name: str
    target: str
    title: str
    access: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def load_class(self) -> type[FaceDataModule]:
        """Import the data set's LightningDataModule."""
        module, _, name = self.target.partition(":")
        loaded: type[FaceDataModule] = getattr(importlib.import_module(module), name)
        return loaded


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """What users type."""
        ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name: the zoo's own, those that a program registered, and those of other packages."""

    def __init__(self, group: str, made: Callable[[EntryPoint], Entry], own: Iterable[Entry]) -> None:
        """Begin with the zoo's own entries.

        Args:
            group: The group of entry points by which other packages add entries.
            made: Makes an entry of such a point.
            own: The zoo's entries.
        """
        self._group, self._made = group, made
        self._entries = {entry.name: entry for entry in own}
        self._complete = False

    def register(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            OptionError: Its name is taken by another one.
        """
        if self._entries.setdefault(entry.name, entry) != entry:
            raise OptionError(f"'{entry.name}' is taken by {self._entries[entry.name]}; choose another name")

    def _all(self) -> dict[str, Entry]:
        if not self._complete:
            from importlib.metadata import entry_points

            self._complete = True
            for point in entry_points(group=self._group):
                self.register(self._made(point))
        return self._entries

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name] if name in self._entries else self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _package(point: EntryPoint) -> str:
    return f"from the package {point.dist.name}" if point.dist else f"from {point.value}"


with FILE.open("rb") as _file:
    _OWN: dict[str, dict[str, dict[str, Any]]] = tomllib.load(_file)

ARCHITECTURES: Registry[Architecture] = Registry(
    "affectzoo.architectures",
    lambda point: Architecture(point.name, point.value, _package(point)),
    [Architecture(name, **fields) for name, fields in _OWN["architectures"].items()],
)
"""The architectures by name."""

DATASETS: Registry[DataSet] = Registry(
    "affectzoo.datasets",
    lambda point: DataSet(point.name, point.value, _package(point), "see the package"),
    [DataSet(name, **fields) for name, fields in _OWN["datasets"].items()],
)
"""The data sets by name."""


def architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        UnknownNameError: The zoo has none of that name; near matches are listed.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES, "(see: affectzoo models)")
    return ARCHITECTURES[name]


def by_class(name: str) -> Architecture | None:
    """Find an architecture by its class's name."""
    return next((entry for entry in ARCHITECTURES.values() if entry.target.endswith(f":{name}")), None)


def class_names() -> list[str]:
    """List the architectures' classes by name."""
    return [entry.target.rpartition(":")[2] for entry in ARCHITECTURES.values()]


def register_architecture(
    name: str, target: str, summary: str = "", source: str = "", tasks: tuple[str, ...] = AFFECT
) -> None:
    """Add an architecture of a program's own, so that it is built, loaded and published by name.

    Args:
        name: What users type; the class's ``arch``.
        target: Its network, a subclass of ``affectzoo.models.AffectModel``, as ``module:Class``. Recipes name
            its LightningModule as ``affectzoo.modules.Class``.
        summary: One line for tables and help.
        source: Paper, table or equation it follows.
        tasks: The tasks it can be built for.

    Raises:
        OptionError: The name is taken by another architecture.
    """
    ARCHITECTURES.register(Architecture(name, target, summary, source, tasks=tasks))


def register_dataset(
    name: str, target: str, title: str = "", access: str = "", counts: Mapping[str, int] | None = None
) -> None:
    """Add a data set of a program's own, so that the ``data`` and ``benchmark`` commands know it by name.

    Args:
        name: What users type.
        target: Its data module, a subclass of ``affectzoo.datamodules.FaceDataModule``, as ``module:Class``.
        title: Its name, authors, year and venue.
        access: How to get it, and its license.
        counts: Published number of faces by split.

    Raises:
        OptionError: The name is taken by another data set.
    """
    DATASETS.register(DataSet(name, target, title, access, counts or {}))


def data_set(name: str) -> DataSet:
    """Look a data set up.

    Raises:
        UnknownNameError: The zoo has none of that name; near matches are listed.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return DATASETS[name]
