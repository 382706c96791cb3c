"""The published evaluation protocols: what each paper did and, where it is silent, what is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from affectzoo.errors import UnknownNameError

Epoch = Literal["valid", "held out", "last"]

EPOCHS: Mapping[Epoch, str] = MappingProxyType(
    {
        "valid": "best on the data set's own validation part",
        "held out": "best on a tenth of the training part (whole persons where known, else class by class), "
        "or the last one",
        "last": "the last one of a schedule fixed beforehand",
    }
)
"""How the epoch to report is chosen; the test part never has a say."""


class Source(NamedTuple):
    """Where faces come from: a data set, one split of it or all, and options of its data module."""

    dataset: str
    split: str | None
    options: Mapping[str, Any]


class Published(NamedTuple):
    """A published number, of ``faces``, ``clips``, ``subjects`` or ``labelled`` faces; releases may differ.

    ``part`` is ``train``, with what is held out of it, ``valid``, ``test`` or ``all``.
    """

    part: str
    what: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Protocol:
    """A way to measure that others can repeat.

    Attributes:
        name: What users type.
        title: One line for tables.
        paper: Who measured so, and where they say it.
        ours: What the paper leaves open and is decided here.
        train: The faces to train on, before a validation part is held out.
        test: The faces to report on.
        task: ``expression`` takes faces with a class, ``va`` faces with valence and arousal, ``multitask``
            faces with either.
        metrics: What the paper reports.
        epoch: How the epoch is chosen, see ``EPOCHS``.
        labels: Label space of the classes.
        folds: Number of folds, each of which is once the test part; 1 for a fixed test part.
        frozen: Whether features stay as they were trained elsewhere and only a classifier is fitted.
        unit: What one result counts: a face or a clip.
        scales: Factors on values in [-1, 1] at which to report errors such as RMSE.
        published: Numbers to compare a copy with.
    """

    name: str
    title: str
    paper: str
    ours: str
    train: Source
    test: Source
    task: Literal["expression", "va", "multitask"]
    metrics: str
    epoch: Epoch
    labels: str | None = None
    folds: int = 1
    frozen: bool = False
    unit: Literal["face", "clip"] = "face"
    scales: tuple[float, ...] = (1.0,)
    published: tuple[Published, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that it needs, each once."""
        return tuple(dict.fromkeys((self.train.dataset, self.test.dataset)))


def _within(dataset: str, test: str = "test", **options: Any) -> tuple[Source, Source]:
    """Training and test part of one data set."""
    return Source(dataset, "train", options), Source(dataset, test, options)


_AFFECTNET = "Mollahosseini et al., AffectNet, TAC 2019"
_RAFDB = "Li and Deng, TIP 2019"
_AFFWILD = "Kollias et al., IJCV 2019"
_THESIS = "Ulloa Rodriguez, bachelor's thesis, UPF Barcelona 2019"
_NO_TEST = (
    "The paper's test part was never released: the validation list, 500 faces per class, is the test part, "
    "so no epoch is chosen on it"
)
_SUBJECTS = "Which persons make a fold is not published: persons by name, every {}th to the same fold"
_ACTORS = (
    "No fold list was published: the folds hold whole actors and about equally many frames, computed from "
    "actor names and frame counts alone"
)
_RECORDINGS = "folds are not described: here they hold whole recordings, which are of one user each"

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Protocol(
                "affectnet8",
                "AffectNet, eight classes, on the validation list",
                f"{_AFFECTNET}, section 4.1",
                f"{_NO_TEST}. The newer release has one contempt face less",
                *_within("affectnet", "valid", classes=8),
                task="expression",
                metrics="accuracy, recall by class",
                epoch="last",
                labels="affectnet8",
                published=(
                    Published("train", "faces", (287_651,)),
                    Published("test", "faces", (4_000, 3_999)),
                ),
            ),
            Protocol(
                "affectnet7",
                "AffectNet, seven classes without contempt, on the validation list",
                f"{_AFFECTNET}, section 4.1, which has eight; seven are later practice",
                f"{_NO_TEST}. Contempt is excluded of training and test faces. A model of eight classes is "
                "measured by deleting its contempt output",
                *_within("affectnet", "valid", classes=7),
                task="expression",
                metrics="accuracy, recall by class",
                epoch="last",
                labels="affectnet7",
                published=(
                    Published("train", "faces", (283_901,)),
                    Published("test", "faces", (3_500,)),
                ),
            ),
            Protocol(
                "affectnet_va",
                "AffectNet, valence and arousal, on the validation list",
                f"{_AFFECTNET}, section 4.3",
                f"{_NO_TEST}. All faces with values count, those labeled none too (older release: 500)",
                *_within("affectnet", "valid", classes=8, keep_none=True),
                task="va",
                metrics="RMSE, CORR, SAGR, CCC",
                epoch="last",
                published=(Published("test", "faces", (4_500, 3_999)),),
            ),
            Protocol(
                "affectnet_p0",
                "AffectNet's own baselines: eight classes, and valence and arousal of the same faces",
                f"{_AFFECTNET}, sections 4.1 to 4.3, Tables 9 and 10",
                f"{_NO_TEST}. Report eight classes (4,000 faces; 3,999 in the newer release) and also seven, "
                "without the contempt faces (3,500); valence and arousal on all faces with values. The "
                "paper's test part is imbalanced, this one is not: figures are near, not comparable",
                *_within("affectnet", "valid", classes=8, keep_none=True),
                task="multitask",
                metrics="accuracy, F1, kappa, alpha, AUC, AUC-PR; RMSE, CORR, SAGR, CCC",
                epoch="last",
                labels="affectnet8",
                published=(
                    Published("test", "labelled", (4_000, 3_999)),
                    Published("test", "faces", (4_500, 3_999)),
                ),
            ),
            Protocol(
                "rafdb_basic",
                "RAF-DB, seven basic classes, the authors' parts",
                f"{_RAFDB}, section V, Table VI",
                "The paper does not say on which faces parameters were chosen: a validation part is held out",
                *_within("rafdb", part="basic"),
                task="expression",
                metrics="mean diagonal of the confusion matrix; also accuracy",
                epoch="held out",
                labels="rafdb7",
                published=(
                    Published("train", "faces", (12_271,)),
                    Published("test", "faces", (3_068,)),
                ),
            ),
            Protocol(
                "rafdb_compound",
                "RAF-DB, eleven compound classes, features of the basic part",
                f"{_RAFDB}, section V-B",
                "A validation part is held out. The paper fits an SVM on the features; any classifier may",
                *_within("rafdb", part="compound"),
                task="expression",
                metrics="mean diagonal of the confusion matrix; also accuracy",
                epoch="held out",
                labels="rafdb11",
                frozen=True,
                published=(Published("all", "faces", (3_954,)),),
            ),
            Protocol(
                "afewva_5fold",
                "AFEW-VA, five person-independent folds",
                f"{_AFFWILD}, section 5.1.2, Tables 16 and 17; {_THESIS}, section 5.1.1, Tables 1 and 2",
                f"{_ACTORS}. The thesis does not say that its folds are person-independent. It reports RMSE "
                "on -10..10, the other paper values on [-1, 1]; report the mean over folds",
                *_within("afewva"),
                task="va",
                metrics="PCC, CCC; RMSE, PCC, ICC",
                epoch="held out",
                folds=5,
                scales=(1.0, 10.0),
                published=(Published("all", "clips", (600,)),),
            ),
            Protocol(
                "semaine",
                "SEMAINE, one frame in ten, five folds of whole recordings",
                f"{_THESIS}, sections 3.4.2, 4.2 and 5.1.1, Table 3",
                f"The thesis reports the best of the folds it had time for, and its {_RECORDINGS}; report "
                "the mean over folds. Landmarks are your own",
                *_within("semaine", every=10),
                task="va",
                metrics="RMSE, PCC, ICC",
                epoch="held out",
                folds=5,
            ),
            Protocol(
                "afewva_to_semaine",
                "trained on AFEW-VA, tested on SEMAINE",
                f"{_THESIS}, section 5.1.2, Table 4",
                "The thesis takes its best fold's model and does not say on which faces it tests: here the "
                "model is that of the first fold of afewva_5fold, and all frames that semaine takes count",
                Source("afewva", "train", {"fold": 0, "folds": 5}),
                Source("semaine", None, {"every": 10}),
                task="va",
                metrics="RMSE, PCC, ICC",
                epoch="held out",
            ),
            Protocol(
                "semaine_to_afewva",
                "trained on SEMAINE, tested on AFEW-VA",
                f"{_THESIS}, section 5.1.2, Table 4",
                "The thesis takes its best fold's model and does not say on which faces it tests: here the "
                "model is that of the first fold of semaine, and all frames count. RMSE on -10..10",
                Source("semaine", "train", {"every": 10, "fold": 0, "folds": 5}),
                Source("afewva", None, {}),
                task="va",
                metrics="RMSE, PCC, ICC",
                epoch="held out",
                scales=(10.0,),
                published=(Published("test", "clips", (600,)),),
            ),
            Protocol(
                "affwild",
                "Aff-Wild, the challenge's parts",
                f"{_AFFWILD}, section 4",
                "The test annotations were withheld from participants; who lacks them takes affwild_5fold. "
                "Participants split training videos as they liked: whole videos are held out",
                *_within("affwild"),
                task="va",
                metrics="CCC, MSE",
                epoch="held out",
                published=(
                    Published("train", "subjects", (252,)),
                    Published("test", "subjects", (46,)),
                ),
            ),
            Protocol(
                "affwild_5fold",
                "Aff-Wild, five folds of the training videos",
                f"{_AFFWILD}, whose test part this replaces",
                "The test annotations were withheld: each fold of the training videos is once the test part. "
                "Who is shown is not published, so a person in two videos may be on both sides",
                *_within("affwild"),
                task="va",
                metrics="CCC, MSE",
                epoch="held out",
                folds=5,
                published=(Published("all", "subjects", (252,)),),
            ),
            Protocol(
                "recola_5fold",
                "RECOLA, five person-independent folds",
                f"{_AFFWILD}, section 5.1.1, Table 15",
                "The annotations of the paper's test part were not published: each fold of the published "
                "persons is once the test part",
                *_within("recola"),
                task="va",
                metrics="CCC",
                epoch="held out",
                folds=5,
            ),
            Protocol(
                "afew",
                "AFEW (EmotiW), seven classes, on the validation clips",
                f"{_AFFWILD}, section 5.2.1, Table 18; EmotiW 2017",
                "The test labels are withheld, so results are on the validation part and no epoch is chosen "
                "on it. Clips without a detected face have no crops (two in each part) but count officially",
                *_within("afew", "valid"),
                task="expression",
                metrics="accuracy over clips",
                epoch="last",
                labels="afew7",
                unit="clip",
                published=(
                    Published("train", "clips", (773,)),
                    Published("test", "clips", (383,)),
                ),
            ),
            Protocol(
                "sfew",
                "SFEW 2.0, features of RAF-DB, on the validation part",
                f"{_RAFDB}, section V-D, Table IX; EmotiW 2015",
                "The test labels are withheld, so results are on the validation part and no epoch is chosen "
                "on it. The faces are the organisers' crops, which are fewer than the stills",
                *_within("sfew", "valid", pictures="aligned"),
                task="expression",
                metrics="accuracy",
                epoch="last",
                labels="afew7",
                frozen=True,
                published=(
                    Published("train", "faces", (958,)),
                    Published("test", "faces", (436,)),
                ),
            ),
            Protocol(
                "ferplus",
                "FER+, eight classes by majority, on the private test part",
                "Barsoum et al., FER+, ICMI 2016",
                "Training labels follow the rule crossentropy; validation and test labels are the "
                "majority's, as in the authors' code, from label.csv. Copies without the private test part "
                "take ferplus_valid",
                *_within("ferplus", rule="crossentropy"),
                task="expression",
                metrics="accuracy",
                epoch="valid",
                labels="ferplus8",
                published=(
                    Published("train", "faces", (27_947,)),
                    Published("valid", "faces", (3_191,)),
                    Published("test", "faces", (3_137,)),
                ),
            ),
            Protocol(
                "ferplus_valid",
                "FER+, eight classes by majority, on the public test part",
                "Barsoum et al., FER+, ICMI 2016, which reports on the private test part",
                "For copies without the private test part: results are on the validation part, and no epoch "
                "is chosen on it. Name it beside the figure",
                *_within("ferplus", "valid", rule="crossentropy"),
                task="expression",
                metrics="accuracy",
                epoch="last",
                labels="ferplus8",
                published=(
                    Published("train", "faces", (27_947,)),
                    Published("test", "faces", (3_191,)),
                ),
            ),
            Protocol(
                "ckplus_5fold",
                "CK+, peak images of six classes, features of RAF-DB, five folds",
                f"{_RAFDB}, section V-D, Table IX",
                f"{_SUBJECTS.format('fif')}. The paper does not name the six classes; without contempt there "
                "are 309 peak images, as it says",
                *_within("ckplus", classes=6, frames=1),
                task="expression",
                metrics="accuracy",
                epoch="held out",
                labels="ckplus6",
                folds=5,
                frozen=True,
                published=(Published("all", "faces", (309,)),),
            ),
            Protocol(
                "ckplus_10fold",
                "CK+, last three images of seven classes, ten folds",
                "common practice; Lucey et al., CK+, CVPRW 2010, for the data",
                f"{_SUBJECTS.format('ten')}. Papers also report eight classes with neutral, or six",
                *_within("ckplus", classes=7, frames=3),
                task="expression",
                metrics="accuracy",
                epoch="held out",
                labels="ckplus7",
                folds=10,
                published=(
                    Published("all", "clips", (327,)),
                    Published("all", "faces", (981,)),
                ),
            ),
            Protocol(
                "mmi_5fold",
                "MMI, three peak frames of six classes, features of RAF-DB, five folds",
                f"{_RAFDB}, section V-D, Table IX",
                "Which sequences the paper took is not published; the three middle frames stand for the peak "
                "frames. Folds hold whole persons and about equally many videos",
                *_within("mmi", frames=3),
                task="expression",
                metrics="accuracy",
                epoch="held out",
                labels="mmi6",
                folds=5,
                frozen=True,
                published=(Published("all", "faces", (528,)),),
            ),
            Protocol(
                "mmi_10fold",
                "MMI, three middle frames of six classes, ten folds",
                "common practice; Valstar and Pantic, LREC-W 2010, for the data",
                "Users download their own selections, so no number of faces is published. Folds hold whole "
                "persons and about equally many videos",
                *_within("mmi", frames=3),
                task="expression",
                metrics="accuracy",
                epoch="held out",
                labels="mmi6",
                folds=10,
            ),
            Protocol(
                "jaffe_loso",
                "JAFFE, seven classes, one person excluded at a time",
                f"{_RAFDB}, section V-A, Table V",
                "The paper fits classifiers on hand-crafted features; a validation part is held out",
                *_within("jaffe"),
                task="expression",
                metrics="mean diagonal of the confusion matrix",
                epoch="held out",
                labels="jaffe7",
                folds=10,
                frozen=True,
                published=(
                    Published("all", "faces", (213,)),
                    Published("all", "subjects", (10,)),
                ),
            ),
        )
    }
)
"""The protocols by name."""


def find_protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        UnknownNameError: There is none of that name; near matches are listed.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS, "(see: affectzoo data protocol)")
    return PROTOCOLS[name]
