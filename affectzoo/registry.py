"""Every architecture and data set by name, one line each; command line, torch.hub and tables derive from it.

Nothing heavy is imported here: a class is loaded when it is first built. Other packages add their own by the
entry points ``affectzoo.architectures`` and ``affectzoo.datasets`` (name and ``module:Class``), programs by
``register_architecture`` and ``register_dataset``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.labels import TASKS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from affectzoo.datamodules.base import FaceDataModule
    from affectzoo.models.base import AffectModel


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
    tasks: tuple[str, ...] = TASKS

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
        access: How it is had, and under which terms.
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


_RAFDB = "Li and Deng, Reliable Crowdsourcing and Deep Locality-Preserving Learning, TIP 2019"
_AFFECTNET = "Mollahosseini et al., AffectNet, TAC 2019"
_AFFWILD = "Kollias et al., Deep Affect Prediction in-the-wild, IJCV 2019"
_THESIS = "Ulloa Rodriguez, Deep affective computing, bachelor's thesis, UPF Barcelona 2019"

ARCHITECTURES: Registry[Architecture] = Registry(
    "affectzoo.architectures",
    lambda point: Architecture(point.name, point.value, _package(point)),
    (
        Architecture(
            "alexnet",
            "affectzoo.models.alexnet:AlexNet",
            "AlexNet baseline of AffectNet, 5 conv + 3 FC, 224 px RGB",
            _AFFECTNET,
            "alexnet/ferplus.yaml",
        ),
        Architecture(
            "base_dcnn",
            "affectzoo.models.dlp_cnn:BaseDCNN",
            "baseDCNN of RAF-DB, 6 conv + 2 FC, 90 px gray; softmax or center loss",
            _RAFDB,
            "base_dcnn/rafdb.yaml",
        ),
        Architecture(
            "cnn_gru",
            "affectzoo.models.cnn_rnn:CNNGRU",
            "AffWildNet: CNN per frame with landmarks, then 2 x GRU 128; for clips, 224 px RGB",
            f"{_AFFWILD}, Table 8",
            "cnn_gru/afewva.yaml",
        ),
        Architecture(
            "cnn_lstm",
            "affectzoo.models.cnn_rnn:CNNLSTM",
            "as cnn_gru, with LSTM cells",
            f"{_AFFWILD}, section 4.2.1.3",
            "cnn_lstm/afewva.yaml",
        ),
        Architecture(
            "cnn_m",
            "affectzoo.models.cnn_m:CNNM",
            "CNN-M baseline of the Aff-Wild challenge, 5 conv with batch norm + FC 4096, 224 px RGB",
            f"{_AFFWILD}, Table 4",
            "cnn_m/ferplus.yaml",
        ),
        Architecture(
            "dlp_cnn",
            "affectzoo.models.dlp_cnn:DLPCNN",
            "baseDCNN trained with the locality-preserving loss",
            _RAFDB,
            "dlp_cnn/rafdb.yaml",
        ),
        Architecture(
            "dlp_cnn_s",
            "affectzoo.models.dlp_cnn:DLPCNNSmall",
            "compact DLP-CNN: same conv trunk, batch norm, global pooling, 48 px gray",
            _RAFDB,
            "dlp_cnn_s/ferplus.yaml",
        ),
        Architecture(
            "mobilenet_v1",
            "affectzoo.models.mobilenet_v1:MobileNetV1",
            "MobileNet-v1, 13 depthwise-separable blocks, 1024 pooled features, 96 px RGB",
            "Howard et al., MobileNets, 2017; start: HSE FaceRes, trained on VGGFace2",
            "mobilenet_v1/ferplus.yaml",
        ),
        Architecture(
            "resnet18",
            "affectzoo.models.resnet:ResNet18",
            "ResNet-18 of timm, 512 pooled features, 224 px RGB; ImageNet weights on request",
            "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
            "resnet18/ferplus.yaml",
        ),
        Architecture(
            "resnet50",
            "affectzoo.models.resnet:ResNet50",
            "ResNet-50 + FC 1500 and 256, with or without 68 landmarks, 224 px RGB",
            f"{_AFFWILD}, section 4.2.1",
            "resnet50/rafdb.yaml",
        ),
        Architecture(
            "resnet152",
            "affectzoo.models.resnet:ResNet152",
            "ResNet-152, 2048 pooled features, 224 px RGB",
            f"{_THESIS}, section 4.1.2",
            "resnet152/rafdb.yaml",
        ),
        Architecture(
            "timm",
            "affectzoo.models.timm_model:Timm",
            "any backbone of timm, as timm/NAME, with or without 68 landmarks, RGB of its own size",
            "Wightman, PyTorch Image Models",
            "timm/folder.yaml",
        ),
        Architecture(
            "vgg11_bn",
            "affectzoo.models.vgg:VGG11BN",
            "VGG-11 with batch norm + FC 4096 and 4096, 224 px RGB",
            f"{_THESIS}, section 4.1.1",
            "vgg11_bn/ferplus.yaml",
        ),
        Architecture(
            "vgg16",
            "affectzoo.models.vgg:VGG16",
            "VGG-16 of ImageNet + FC 4096 and 4096, with or without 68 landmarks, 224 px RGB",
            f"{_AFFWILD}, section 4.2.1",
            "vgg16/rafdb.yaml",
        ),
        Architecture(
            "vgg_small",
            "affectzoo.models.vgg:VGGSmall",
            "small VGG, 4 conv with batch norm + FC 128 and 64, 256 px RGB",
            "Giguere, Emotion Classification Using AffectNet, student report, appendix C",
            "vgg_small/ferplus.yaml",
        ),
        Architecture(
            "vggface",
            "affectzoo.models.vgg:VGGFace",
            "VGG-Face CNN of Aff-Wild, FC 4096 and 2048, with or without 68 landmarks, 224 px RGB",
            f"{_AFFWILD}, Table 7",
            "vggface/rafdb.yaml",
        ),
    ),
)
"""The architectures by name."""


def architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        UnknownNameError: The zoo has none of that name; near matches are listed.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES, "(see: affectzoo models)")
    return ARCHITECTURES[name]


DATASETS: Registry[DataSet] = Registry(
    "affectzoo.datasets",
    lambda point: DataSet(point.name, point.value, _package(point), "see the package"),
    (
        DataSet(
            "affectnet",
            "affectzoo.datamodules:AffectNet",
            "AffectNet, Mollahosseini et al., TAC 2019",
            "signed agreement, research only",
            {"train": 287_651, "valid": 3_999},
        ),
        DataSet(
            "afew",
            "affectzoo.datamodules:AFEW",
            "AFEW (EmotiW), Dhall et al., IEEE MultiMedia 2012",
            "signed agreement, research only",
        ),
        DataSet(
            "afewva",
            "affectzoo.datamodules:AFEWVA",
            "AFEW-VA, Kossaifi et al., IVC 2017",
            "on request, research only",
        ),
        DataSet(
            "affwild",
            "affectzoo.datamodules:AffWild",
            "Aff-Wild, Kollias et al., IJCV 2019",
            "signed agreement, research only",
        ),
        DataSet(
            "affwild2",
            "affectzoo.datamodules:AffWild2",
            "Aff-Wild2, valence/arousal track, Kollias and Zafeiriou",
            "signed agreement, research only",
        ),
        DataSet(
            "ckplus",
            "affectzoo.datamodules:CKPlus",
            "CK+, Lucey et al., CVPRW 2010",
            "signed agreement, research only",
            {"total": 981},
        ),
        DataSet(
            "expw",
            "affectzoo.datamodules:ExpW",
            "ExpW, Zhang et al., IJCV 2018",
            "public download, non-commercial research",
        ),
        DataSet(
            "fer2013",
            "affectzoo.datamodules:FER2013",
            "FER-2013, Goodfellow et al., ICONIP 2013",
            "public download",
            {"train": 28_709, "valid": 3_589, "test": 3_589},
        ),
        DataSet(
            "ferplus",
            "affectzoo.datamodules:FERPlus",
            "FER+, Barsoum et al., ICMI 2016",
            "labels MIT; images as FER-2013",
            {"train": 27_947, "valid": 3_191, "test": 3_137},
        ),
        DataSet(
            "jaffe",
            "affectzoo.datamodules:JAFFE",
            "JAFFE, Lyons et al., FG 1998",
            "on request, non-commercial research",
            {"total": 213},
        ),
        DataSet(
            "mmi",
            "affectzoo.datamodules:MMI",
            "MMI, Pantic et al., ICME 2005; Valstar and Pantic, LREC-W 2010",
            "account and agreement, research only",
        ),
        DataSet(
            "rafdb",
            "affectzoo.datamodules:RAFDB",
            "RAF-DB, Li et al., CVPR 2017",
            "on request, non-commercial research",
            {"train": 12_271, "test": 3_068},
        ),
        DataSet(
            "recola",
            "affectzoo.datamodules:RECOLA",
            "RECOLA, Ringeval et al., FGW 2013",
            "signed agreement, research only",
        ),
        DataSet(
            "semaine",
            "affectzoo.datamodules:SEMAINE",
            "SEMAINE, McKeown et al., TAC 2012",
            "account and agreement, research only",
        ),
        DataSet(
            "sfew",
            "affectzoo.datamodules:SFEW",
            "SFEW 2.0, Dhall et al., ICMI 2015",
            "signed agreement, research only",
        ),
        DataSet(
            "folder",
            "affectzoo.datamodules:Folder",
            "your own images, a folder per class",
            "yours",
        ),
        DataSet(
            "table",
            "affectzoo.datamodules:Table",
            "your own faces, listed in faces.csv",
            "yours",
        ),
    ),
)
"""The data sets by name."""


def by_class(name: str) -> Architecture | None:
    """Find an architecture by its class's name."""
    return next((entry for entry in ARCHITECTURES.values() if entry.target.endswith(f":{name}")), None)


def class_names() -> list[str]:
    """List the architectures' classes by name."""
    return [entry.target.rpartition(":")[2] for entry in ARCHITECTURES.values()]


def register_architecture(
    name: str, target: str, summary: str = "", source: str = "", tasks: tuple[str, ...] = TASKS
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
