"""CREMA-D: 7,442 clips of 91 actors, six emotions, rated by a crowd from the face alone. Open to anybody.

Cao, Cooper, Keutmann, Gur, Nenkova, Verma, "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset",
IEEE TAC 5(4), 2014. License: Open Database License 1.0, contents under the Database Contents License 1.0.
Get it by ``git clone https://github.com/CheyneyComputerScience/CREMA-D`` with Git LFS, which fetches videos.

Layout::

    root/VideoFlash/1001_DFA_ANG_XX.flv        actor, sentence, intended emotion, level; or other videos
    root/processedResults/tabulatedVotes.csv   a row per clip and kind: "200001",0,1,... "1001_IEO_NEU_XX",...

Rows of the table whose number begins with 2 are of people who saw the face and heard nothing; with 1 they
heard the voice alone, with 3 they had both. The README does not say so: it follows from the repository's
``tabulateVotesV2.r``, where a row's number is 100000 times the kind of query, plus the clip's number.
``A D F H N S`` are the votes, ``meanAngerResp`` and so on the mean of the levels, 0 to 100, that those who
voted for the emotion gave it, and -1 where nobody did.

There are no face boxes: frames are whole. ``affectzoo data prepare cremad`` finds and cuts faces.

No parts are official, so folds are computed: they hold whole actors, see ``affectzoo.datasets.folds``.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from affectzoo.datasets.fields import number
from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, UnknownNameError, UnreadableImageError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames
from affectzoo.files.text import Row, csv_rows
from affectzoo.files.videos import SUFFIXES, Video
from affectzoo.labels import SPACES

Truth = Literal["face", "intended"]
Target = Literal["label", "votes"]

LABELS = SPACES["cremad6"]
TABLE = "processedResults/tabulatedVotes.csv"
CLIPS = "VideoFlash"
NAME = re.compile(r"([0-9]{4})_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_[A-Z]{1,2}")
"""A clip's name: actor and intended emotion."""
INTENDED = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LABELS.names, strict=True))
LETTERS = ("A", "D", "F", "H", "N", "S")
"""Columns of votes, in the order of ``LABELS``."""
LEVELS = tuple(f"mean{name}Resp" for name in ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad"))
FACE = 2
"""First digit of the rows of those who saw the face alone."""
POINTER = b"version https://git-lfs"
"""How a file begins that stands for a video which Git LFS did not fetch."""


class Ratings(NamedTuple):
    """What the crowd said of a clip's face.

    Attributes:
        votes: By class, shape (6,).
        levels: Mean level by class, 0 to 100, shape (6,); 0 without votes.
        source: File and line.
    """

    votes: np.ndarray
    levels: np.ndarray
    source: str


@reader
def read_cremad(
    root: Path,
    fold: int = 0,
    *,
    folds: int = 5,
    truth: Truth = "face",
    target: Target = "label",
    min_level: float = 0.0,
    every: int = 1,
) -> FaceIndex:
    """Index CREMA-D, with one fold as ``test`` and the others as ``train``: every frame has its clip's label.

    Clips without a rating or a video, videos that Git LFS did not fetch or that cannot be opened, and, where
    one label is needed, clips with two emotions of equally many votes are excluded and counted.

    Args:
        root: The repository's folder.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of folds, which hold whole actors.
        truth: The label: the emotion that most raters saw in the face, or the one that was acted.
        target: What to train on: the label, or the shares of the raters' votes. With votes, clips without a
            single label are kept for training.
        min_level: Leave out clips whose label's level, 0 to 100, is below; it is 0 where no rater saw it.
        every: Take one in so many frames.

    Raises:
        DataNotFoundError: The table of votes is missing, or there are no videos.
        DataError: A line of the table is not as described, a clip is rated or there twice, no video was
            fetched, or there is no such fold.
    """
    for value, known in ((truth, Truth), (target, Target)):
        if value not in get_args(known):
            raise UnknownNameError("cremad option", value, get_args(known))
    if every < 1 or not 0 <= min_level <= 100:
        raise DataError(f"cremad: every is {every}, expected 1 or more; min_level {min_level:g}, 0 to 100")
    ratings = _read_ratings(root)
    splits = fold_splits("cremad", _assign(ratings, folds), fold)
    videos = _find_videos(root)
    left_out = Counter({"video without rating": len(videos.keys() - ratings)})
    rows: list[dict[str, Any]] = []
    for clip, rating in sorted(ratings.items()):
        label = INTENDED[NAME.fullmatch(clip)[2]] if truth == "intended" else _majority(rating.votes)  # type: ignore[index]
        weak = label is not None and rating.levels[LABELS.index(label)] < min_level
        frames = "level too low" if weak else _frames(videos.get(clip))
        if label is None and target == "label":
            frames = "no single emotion has the most votes"
        if isinstance(frames, str):
            left_out[frames] += 1
            continue
        path = videos[clip].relative_to(root).as_posix()
        columns: dict[str, Any] = {
            "path": path,
            "split": splits[clip[:4]],
            "label": label,
            "target": _shares(rating.votes) if target == "votes" or label is None else one_hot(LABELS, label),
            "votes": rating.votes,
            "subject": clip[:4],
            "clip": clip,
            "source": rating.source,
        }
        rows += [{**columns, "frame": number} for number in range(0, frames, every)]
    if not rows and left_out["video not fetched: git lfs pull"]:
        raise DataError(f"{root / CLIPS}: no video was fetched, only Git LFS's pointers: git lfs pull")
    if not rows and not videos:
        raise DataNotFoundError("cremad (no videos)", root, [f"{CLIPS}/1001_DFA_ANG_XX.flv"])
    return FaceIndex.from_rows("cremad", root, LABELS, rows, +left_out)


@reader
def cremad_folds(root: Path, folds: int = 5) -> dict[str, int]:
    """The fold of each actor, from the table of votes alone: missing videos change nothing.

    Raises:
        DataNotFoundError: There is no such table.
        DataError: A line of it is not as described, or the folds outnumber the actors.
    """
    return _assign(_read_ratings(root), folds)


def _assign(ratings: dict[str, Ratings], folds: int) -> dict[str, int]:
    return assign_folds(Counter(clip[:4] for clip in ratings), folds)


def _majority(votes: np.ndarray) -> str | None:
    """The class with most votes; ``None`` where several have as many."""
    most = np.flatnonzero(votes == votes.max())
    return LABELS.names[most[0]] if len(most) == 1 else None


def _shares(votes: np.ndarray) -> np.ndarray:
    return np.asarray(votes / votes.sum(), dtype=np.float32)


def _read_ratings(root: Path) -> dict[str, Ratings]:
    """What the crowd said of each clip's face, by the clip's name."""
    path = root / TABLE
    if not path.is_file():
        raise DataNotFoundError("cremad", root, [TABLE])
    lines = csv_rows(path)
    header = next(lines, None)
    columns = {} if header is None else {name: place for place, name in enumerate(header.cells)}
    missing = [name for name in ("fileName", *LETTERS, *LEVELS) if name not in columns]
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}")
    found: dict[str, Ratings] = {}
    for row in lines:
        with one_row():
            clip, rating = _rating(row, columns)
            if rating is None or NAME.fullmatch(clip) is None:  # of the voice, or a clip to practice with
                continue
            if clip in found:
                raise DataError(f"{row.where}: the face of {clip} is also rated in {found[clip].source}")
            found[clip] = rating
    if not found:
        raise DataError(f"{path}: no row is of the face alone: its number would begin with {FACE}")
    return found


def _rating(row: Row, columns: dict[str, int]) -> tuple[str, Ratings | None]:
    key = number(row.cells[0], row.where, "row's number", low=0, whole=True)
    clip = row.cells[columns["fileName"]]
    if key // 100_000 != FACE:
        return clip, None
    votes = [
        number(row.cells[columns[name]], row.where, name, low=0, high=10_000, whole=True) for name in LETTERS
    ]
    told = [(name, row.cells[columns[name]]) for name in LEVELS]
    levels = [
        0.0 if cell == "NA" else max(0.0, number(cell, row.where, name, low=-1, high=100))
        for name, cell in told
    ]
    if not sum(votes):
        raise DataError(f"{row.where}: no votes for {clip}")
    return clip, Ratings(np.array(votes, dtype=np.int64), np.array(levels), row.where)


def _find_videos(root: Path) -> dict[str, Path]:
    """The videos by the clip's name."""
    found: dict[str, Path] = {}
    for path in (root / CLIPS / name for name in filenames(root / CLIPS)):
        if path.suffix.lower() in SUFFIXES and NAME.fullmatch(path.stem):
            with one_row():
                if found.setdefault(path.stem, path) != path:
                    raise DataError(f"{path}: the clip is also in {found[path.stem].name}")
    return found


def _frames(path: Path | None) -> int | str:
    """How many frames a video has, or why there are none."""
    if path is None:
        return "no video"
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            return "video not fetched: git lfs pull"
    try:
        return Video(path).frames or "video without frames"
    except UnreadableImageError:
        return "video that cannot be opened"
