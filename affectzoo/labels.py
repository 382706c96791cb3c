"""Expression label spaces: ordered class names, every data set's own codes, and mappings by name.

Labels travel as names. A code or an index has a meaning only inside one data set or one model, so
readers turn codes into names at once, and a model turns names into indices by its own label space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

from affectzoo.errors import LabelError, UnknownNameError

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "angry": "anger",
        "disgusted": "disgust",
        "fearful": "fear",
        "afraid": "fear",
        "happy": "happiness",
        "sad": "sadness",
        "surprised": "surprise",
        "contemptuous": "contempt",
    }
)
"""Spellings met in files, each with the zoo's name."""

LONGEST = 200
"""Characters of a class name, at most."""

GivenName = str | int | float | bool | None
"""A class's name as YAML reads it: ``class_name`` takes text and numbers and refuses the rest in a line."""
GivenLabels = str | Sequence[GivenName]
"""Labels as people give them: a space's name, class names with commas between, or a sequence of them."""

AFFECT = ("expression", "va", "valence", "arousal", "multitask")
"""The tasks of affect, which every architecture can be built for unless it says otherwise."""
TASKS = (*AFFECT, "landmarks")
"""What models can be built for; ``affectzoo.tasks.heads`` says what each is."""

MOST = 1000
"""Classes of a label space, at most."""

NOT_A_CLASS = frozenset({"none", "uncertain", "non-face", "unknown"})
"""Answers of annotators that name no expression: faces so labeled are excluded, and counted."""


def canonical(name: str) -> str:
    """The zoo's spelling of a class name: lower case, composed, without blanks around, aliases resolved."""
    plain = unicodedata.normalize("NFC", name.strip()).lower()
    return ALIASES.get(plain, plain)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise LabelError(f"class name {name!r} is empty or no text")
    unseen = [letter for letter in name if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    if unseen or len(name) > LONGEST:
        reason = f"is longer than {LONGEST} characters" if not unseen else f"holds {unseen[0]!a}"
        raise LabelError(f"class name {name[:40]!a} {reason}; rename the class")


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of expression classes.

    Attributes:
        names: Class names; a class's index is its place here.
        name: What this space is called, or ``custom``.
    """

    names: tuple[str, ...]
    name: str = "custom"

    def __post_init__(self) -> None:
        """Refuse an empty space, one that names a class twice, and names that cannot be shown or written."""
        if len(self.names) > MOST:
            raise LabelError(
                f"label space '{self.name[:40]}' has {len(self.names):,} classes; at most {MOST:,} are taken"
            )
        for name in self.names:
            _check_name(name)
        if len({canonical(name) for name in self.names}) != len(self.names):  # data go by these
            named = ", ".join(self.names)
            raise LabelError(f"label space '{self.name}' names a class twice: {named}")
        if not self.names:
            raise LabelError(f"label space '{self.name}' has no classes")

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.names)

    def __str__(self) -> str:
        """Name, size and classes, for messages."""
        return f"{self.name} ({len(self)}: {', '.join(self.names)})"

    def index(self, name: str) -> int:
        """The index of a class, by its name or an alias of it.

        Raises:
            LabelError: The space has no such class.
        """
        own = self._own(name)
        if own is None:
            raise LabelError(f"'{name}' is no class of {self}")
        return self.names.index(own)

    def _own(self, name: str) -> str | None:
        """This space's spelling of a class, ``None`` where it has no such class."""
        if name in self.names:
            return name
        return next((own for own in self.names if canonical(own) == canonical(name)), None)

    def same_classes(self, other: LabelSpace) -> bool:
        """Whether both hold the same classes in the same order, whatever they are called."""
        return self.names == other.names

    def mapping_to(
        self, other: LabelSpace, merge: Mapping[str, GivenName] | None = None
    ) -> dict[str, str | None]:
        """Say for each class here which class of ``other`` it is; ``None`` where there is none.

        Args:
            other: The space to map into.
            merge: Classes to rename on the way, for example ``{"contempt": "disgust"}``.

        Raises:
            LabelError: ``merge`` names a class that either space lacks.
        """
        moved = {name: name for name in self.names}
        for source, target in (merge or {}).items():
            moved[self.names[self.index(class_name(source))]] = other.names[other.index(class_name(target))]
        return {name: other._own(to) for name, to in moved.items()}


def _space(name: str, names: str) -> LabelSpace:
    return LabelSpace(tuple(names.split()), name)


SPACES: Mapping[str, LabelSpace] = MappingProxyType(
    {
        space.name: space
        for space in (
            _space("affectnet8", "neutral happiness sadness surprise fear disgust anger contempt"),
            _space("affectnet7", "neutral happiness sadness surprise fear disgust anger"),
            _space("affectnet6", "neutral happiness sadness surprise fear anger"),
            _space("ferplus8", "neutral happiness surprise sadness anger disgust fear contempt"),
            _space("fer2013", "anger disgust fear happiness sadness surprise neutral"),
            _space("rafdb7", "surprise fear disgust happiness sadness anger neutral"),
            _space(
                "rafdb11",
                "happily_surprised happily_disgusted sadly_fearful sadly_angry sadly_surprised "
                "sadly_disgusted fearfully_angry fearfully_surprised angrily_surprised angrily_disgusted "
                "disgustedly_surprised",
            ),
            _space("afew7", "anger disgust fear happiness neutral sadness surprise"),
            _space("ckplus8", "neutral anger contempt disgust fear happiness sadness surprise"),
            _space("ckplus7", "anger contempt disgust fear happiness sadness surprise"),
            _space("ckplus6", "anger disgust fear happiness sadness surprise"),
            _space("cremad6", "anger disgust fear happiness neutral sadness"),
            _space("expw7", "anger disgust fear happiness sadness surprise neutral"),
            _space("jaffe7", "anger disgust fear happiness neutral sadness surprise"),
            _space("mmi6", "anger disgust fear happiness sadness surprise"),
        )
    }
)
"""The label spaces that data sets and bundled models use, by name, in the data sets' own order."""


def _codes(names: str, first: int = 0) -> Mapping[int, str]:
    return MappingProxyType(dict(enumerate(names.split(), first)))


CODES: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "affectnet": _codes(
            "neutral happiness sadness surprise fear disgust anger contempt none uncertain non-face"
        ),
        "ckplus": _codes("neutral anger contempt disgust fear happiness sadness surprise"),
        "expw": _codes("anger disgust fear happiness sadness surprise neutral"),
        "fer2013": _codes("anger disgust fear happiness sadness surprise neutral"),
        "ferplus": _codes("neutral happiness surprise sadness anger disgust fear contempt unknown non-face"),
        "mmi": _codes("anger disgust fear happiness sadness surprise", first=1),
        "rafdb": _codes("surprise fear disgust happiness sadness anger neutral", first=1),
        "rafdb_compound": _codes(" ".join(SPACES["rafdb11"].names), first=1),
    }
)
"""What each data set's integer codes mean (FER+: what its vote columns mean)."""


def label_space(labels: GivenLabels | LabelSpace) -> LabelSpace:
    """A label space from its name, from class names in order, or as it is.

    Args:
        labels: A space's name; class names with commas between; or a sequence of class names, see
            ``class_name``.

    Raises:
        UnknownNameError: No space has that name.
        LabelError: A class is named twice, or none is, or a name cannot be one.
    """
    if isinstance(labels, LabelSpace):
        return labels
    if isinstance(labels, str):
        if "," not in labels:
            if labels not in SPACES:
                raise UnknownNameError("label space", labels, SPACES, "(class names go with commas: a,b)")
            return SPACES[labels]
        labels = labels.split(",")
    if not isinstance(labels, Iterable) or isinstance(labels, Set | Mapping):
        raise LabelError(f"labels are {labels!r}; expected class names in order, or a label space's name")
    names = tuple(class_name(name) for name in labels)
    return next((space for space in SPACES.values() if space.names == names), LabelSpace(names))


def class_name(value: object) -> str:
    """The name of a class as command lines, YAML and Python give it: text, or a number that is a name.

    Raises:
        LabelError: It is neither; YAML takes words such as yes and null for values.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else str(value)
    raise LabelError(
        f"class name {value!r} is no text: yes, no, on, off, true, false and null are words of YAML; put the "
        "names in quotes, such as \"['yes', 'no']\""
    )


def decode(dataset: str, code: int, where: str) -> str:
    """The class name behind a data set's integer code.

    Args:
        dataset: A key of ``CODES``.
        code: The code as the file has it.
        where: File and line, for the error.

    Raises:
        LabelError: The data set has no such code.
    """
    codes = CODES[dataset]
    if code not in codes:
        listed = ", ".join(f"{number} {name}" for number, name in codes.items())
        raise LabelError(f"{where}: label {code} is none of {dataset}'s codes ({listed})")
    return codes[code]


def unmapped(mapping: Mapping[str, str | None], used: Iterable[str]) -> list[str]:
    """The classes among ``used`` for which a mapping has no answer."""
    return sorted({name for name in used if mapping.get(name) is None})
