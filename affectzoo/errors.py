"""The errors users meet. Each message says what was wrong, where, and what to do next.

Where Python has an error of the same meaning, these are of that kind too: ``except KeyError`` catches an
unknown name, ``except FileNotFoundError`` missing data, ``except ValueError`` a wrong option, file or label.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

LONGEST = 4000
"""Most characters of a message: what it shows of a file may be of any length."""


class AffectZooError(Exception):
    """Base of every error that affectzoo raises on purpose; the command line prints it and exits 1."""

    def __str__(self) -> str:
        """The message; of a very long one, its start and its end, where what to do stands."""
        text = str(self.args[0]) if self.args else ""
        half = LONGEST // 2
        return text if len(text) <= LONGEST else f"{text[:half]} [...] {text[-half:]}"


class OptionError(AffectZooError, ValueError):
    """An argument or setting that is out of range, of the wrong kind, or against another one."""


class UnknownNameError(AffectZooError, KeyError):
    """A name that no registry knows; lists the near matches, else all names."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        options = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} '{name}': {options}" + (f" {hint}" if hint else ""))


class DataError(AffectZooError, ValueError):
    """A data set's files are missing, laid out differently, or say something impossible."""


class DataNotFoundError(DataError, FileNotFoundError):
    """The root or an expected file of a data set is not there; says which paths were looked for."""

    def __init__(self, dataset: str, root: Path, expected: Iterable[str]) -> None:
        lines = "\n".join(f"  {root / path}" for path in expected)
        state = "holds none of the expected files" if root.is_dir() else "is not a folder"
        super().__init__(f"{dataset}: {root} {state}. Looked for (any one form is enough):\n{lines}")


class LabelError(DataError):
    """A label outside the data set's codes, or label spaces that do not fit each other."""


class EmptySplitError(DataError):
    """A part of a data set that holds no usable face."""


class UnreadableImageError(DataError):
    """An image that is missing, truncated or no image at all."""


class ImageTooLargeError(UnreadableImageError):
    """An image of more pixels than are decoded."""


class ImageNotFoundError(UnreadableImageError, FileNotFoundError):
    """An input that is not there, or a folder without images."""


class WeightsError(AffectZooError, ValueError):
    """A weights file that is missing, damaged, altered, or made for something else."""


class NonFiniteError(AffectZooError, FloatingPointError):
    """A training whose loss or weights are infinite or no numbers any more."""


class CameraError(AffectZooError, OSError):
    """A camera that cannot be opened, or gives no frames."""


class MissingPackageError(AffectZooError, ImportError):
    """A package that a part of affectzoo needs is not installed; says how to install it."""


class DetectorError(AffectZooError, ValueError):
    """A face detector that cannot be used as asked."""


class OutputError(AffectZooError, OSError):
    """A result that cannot be written; names the file."""
