"""MMI: videos of posed expressions, from neutral to the apex and back.

Pantic, Valstar, Rademaker, Maat, "Web-Based Database for Facial Expression Analysis", ICME 2005; Valstar
and Pantic, LREC workshops 2010. Access: account and agreement, research only. Users download their own
selections, so copies differ.

Layout (``root`` may be ``Sessions``, or hold it, or hold downloads that hold it)::

    root/[<download>/][Sessions/]1/
      session.xml        <track view="0" .../>: 0 frontal, 1 profile, 2 both side by side
      S001-001.avi       the stem begins with the subject
      S001-001.xml       <Metatag Name="Emotion" Value="4"/>: 1 to 6 are the basic emotions

Frontal videos with a basic emotion are used. There are no face boxes, so frames are whole video frames,
and some frontal videos are turned by 90 degrees: for faces cut and turned upright, list your crops
in a table (``affectzoo.datamodules.Table``).

No folds are shipped, so they are computed: person-independent, see ``affectzoo.datasets.folds``.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from affectzoo.datasets.fields import number
from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, UnreadableImageError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, subfolders
from affectzoo.files.videos import Video
from affectzoo.labels import CODES, SPACES, decode

LABELS = SPACES["mmi6"]
FRONTAL = "0"


class Sequence(NamedTuple):
    """A frontal video with a basic emotion."""

    path: Path
    subject: str
    label: str


@reader
def read_mmi(root: Path, fold: int = 0, *, folds: int = 10, frames: int = 3) -> FaceIndex:
    """Index MMI, with one fold as ``test`` and the others as ``train``.

    The middle frames of each video carry its emotion. Left out and counted are sessions without a video
    (still images) or with several, videos without emotion, with another emotion, with a subject
    or view that is not known or not frontal, and videos that cannot be opened.

    Args:
        root: The folder ``Sessions``, or one that holds it.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of subject-independent folds.
        frames: How many middle frames are used.

    Raises:
        DataNotFoundError: There are no sessions, or no frontal video with a basic emotion.
        LabelError: An emotion is below 1; the file is named.
        DataError: A file is no XML or names two emotions, or there is no such fold.
    """
    if frames < 1:
        raise DataError(f"mmi: frames is {frames}, expected at least 1")
    left_out: Counter[str] = Counter()
    sequences = _read_sequences(root, left_out)
    splits = fold_splits("mmi", _assign(sequences, folds), fold)
    rows = []
    for path, subject, label in sequences:
        middle = _middle(path, frames)
        if isinstance(middle, str):
            left_out[middle] += 1
            continue
        rows += [
            {
                "path": path.relative_to(root).as_posix(),
                "split": splits[subject],
                "label": label,
                "target": one_hot(LABELS, label),
                "subject": subject,
                "clip": f"{path.parent.name}/{path.stem}",
                "frame": frame,
                "source": str(path.with_suffix(".xml")),
            }
            for frame in middle
        ]
    if not rows:
        raise DataNotFoundError("mmi (no readable video)", root, [str(sequences[0].path.relative_to(root))])
    return FaceIndex.from_rows("mmi", root, LABELS, rows, +left_out)


@reader
def mmi_folds(root: Path, folds: int = 10) -> dict[str, int]:
    """The fold of each subject, by how many videos each has; whether these can be read changes nothing.

    Raises:
        DataNotFoundError: There is no frontal video with a basic emotion.
        DataError: A file is not as described, or the folds outnumber the subjects.
    """
    return _assign(_read_sequences(root, Counter()), folds)


def _assign(sequences: list[Sequence], folds: int) -> dict[str, int]:
    return assign_folds(Counter(sequence.subject for sequence in sequences), folds)


def _middle(path: Path, frames: int) -> range | str:
    """The middle frames of a video, or why there are none."""
    try:
        count = Video(path).frames
    except UnreadableImageError:
        return "video that cannot be opened"
    first = max(0, (count - frames) // 2)
    return range(first, min(first + frames, count)) or "video without frames"


def _read_sequences(root: Path, left_out: Counter[str]) -> list[Sequence]:
    """The usable videos, by session."""
    places = (root, root / "Sessions", *(path / "Sessions" for path in subfolders(root)))
    folders: dict[int, Path] = {}
    for folder in (path for place in places for path in subfolders(place)):
        if re.fullmatch("[0-9]+", folder.name) and folders.setdefault(int(folder.name), folder) != folder:
            left_out["session in two places"] += 1
    if not folders:
        raise DataNotFoundError("mmi", root, ["Sessions/1/session.xml", "1/session.xml"])
    sequences = []
    for _, folder in sorted(folders.items()):
        with one_row():
            found = _read_session(folder)
            if isinstance(found, str):
                left_out[found] += 1
            else:
                sequences.append(found)
    if not sequences:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in sorted(left_out.items()))
        raise DataNotFoundError(
            f"mmi (no frontal video with a basic emotion; {reasons})", root, ["Sessions/1/S001-001.avi"]
        )
    return sequences


def _read_session(folder: Path) -> Sequence | str:
    """The session's video, or why it is not used."""
    videos = [folder / name for name in filenames(folder) if name.lower().endswith(".avi")]
    if len(videos) != 1:
        return "session with several videos" if videos else "session without video"
    annotation = videos[0].with_suffix(".xml")
    if not annotation.is_file():
        return "video without annotation"
    emotions = {tag.get("Value") for tag in _elements(annotation, "Metatag") if tag.get("Name") == "Emotion"}
    if not emotions:
        return "video without emotion"
    if len(emotions) > 1:
        raise DataError(f"{annotation}: {len(emotions)} different emotions, expected one")
    code = int(number(emotions.pop(), str(annotation), "Emotion", whole=True))
    if code > max(CODES["mmi"]):
        return "video of another emotion"
    label = decode("mmi", code, str(annotation))
    session = folder / "session.xml"
    tracks = _elements(session, "track") if session.is_file() else []
    views = {track.get("view") for track in tracks} - {None}
    if views != {FRONTAL}:
        return "video that is not frontal" if views else "video of unknown view"
    subject = re.match("S[0-9]+", videos[0].stem)
    if subject is None:
        return "video of unknown subject"
    return Sequence(videos[0], subject[0], label)


def _elements(path: Path, name: str) -> list[ElementTree.Element]:
    try:
        return ElementTree.parse(path).getroot().findall(f".//{{*}}{name}")
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # too, unknown encodings
        raise DataError(f"{path}: no XML ({error})") from None
