"""SEMAINE: filmed talks with artificial characters, valence and arousal traced by several raters.

McKeown, Valstar, Cowie, Pantic, Schröder, "The SEMAINE Database: Annotated Multimodal Records of Emotionally
Colored Conversations between a Person and a Limited Agent", IEEE Trans. Affective Computing 3(1), 2012.
Access: account and agreement, research.

Layout (``Sessions`` may be excluded)::

    root/Sessions/2/R5S1TUCPoDV.txt     rater 5, recording 1, user, character Poppy, valence
    root/Sessions/2/R5S1TUCPoDA2.txt    activation (arousal); of repeated traces the largest number counts
    root/Sessions/2/<...>.avi           the user's face, see ``camera``
    root/frames/2/00001.jpg             instead of the video: frames that you extracted, or their faces
    root/landmarks/2/00001.pts          optional: 68 landmarks per frame that you found

A trace has two columns, seconds and value in -1..1, or the value alone, then one every 20 ms. Traces of the
operator and of other dimensions are not read. Frames are numbered from 1 on as in the video, and have the
times at which it shows them. Without landmarks the whole image stands for the face.

The thesis that fine-tuned VGG-11 and ResNet-152 (Ulloa Rodriguez, UPF Barcelona 2019, sections 3.4 and 4.2)
took one frame in ten, averaged the raters, cut faces out by landmarks, and trained on four of five folds. How
it drew the folds is not said; here they hold whole recordings, which are of one user each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.footage import annotated_rows, check_every, find_footage
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.datasets.traces import Trace, average, checked, number_table, text_lines
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files import videos
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, subfolders

NAME = re.compile(
    r"[AR](?P<rater>[0-9]+)[RS](?P<recording>[0-9]+)TUC(?:Ob|Po|Pr|Sp)(?P<again>[0-9]?)"
    r"D(?P<dimension>[AV])(?P<repeat>[0-9]*)\.txt"
)
"""A user's trace of valence or activation, with the slips that some names have."""
DIMENSIONS = {"valence": "V", "arousal": "A"}
STEP = 0.02
"""Seconds between the values of a trace without times."""
RATE = 49.979
"""Frames per second where no video says."""
REACH = 1.0
"""Seconds from a frame to a rater's nearest value, at most."""


class Session(NamedTuple):
    """One session: folder, the user's recording, and each dimension's trace files."""

    folder: Path
    subject: str
    files: Mapping[str, Sequence[Path]]


@reader
def read_semaine(
    root: Path,
    fold: int = 0,
    *,
    folds: int = 5,
    every: int = 10,
    camera: str = "*user*frontal*",
    lag: float = 0.0,
) -> FaceIndex:
    """Index SEMAINE, with one fold as ``test`` and the others as ``train``.

    Each trace is brought to the frames' times (``traces.at_times``), then the raters' mean is taken. Frames
    that no rater annotated within a second, sessions without traces of both dimensions or without frames
    and empty traces are excluded and counted.

    Args:
        root: The folder that holds ``Sessions``, or the sessions' folders.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of folds, which hold whole recordings.
        every: Take one in so many frames, the first one on.
        camera: Which video of a session, where there are several: a pattern for its name, in which case does
            not matter.
        lag: Seconds that annotations come after what they describe.

    Raises:
        DataNotFoundError: There are no traces, or no frames.
        DataError: A trace is not as described (file and line are named), the pattern fits no or several
            videos of a session, or there is no such fold.
    """
    check_every("semaine", every)
    left_out: Counter[str] = Counter()
    sessions = _sessions(root, left_out)
    splits = fold_splits("semaine", _assign(sessions, folds), fold)
    rows: list[dict[str, Any]] = []
    for session in sessions:
        with one_row():
            clip = session.folder.name
            pictures = root / "frames" / clip
            footage = find_footage(root, pictures, _video(session.folder, camera))
            if not footage.paths:
                left_out["session without frames"] += 1
                continue
            traces = {name: _read_traces(files, left_out) for name, files in session.files.items()}
            if not all(traces.values()):
                left_out["session without valence and arousal"] += 1
                continue
            times = footage.times(RATE) + lag
            affect = np.stack([average(traces[name], times, REACH) for name in DIMENSIONS], axis=1)
            common = {
                "split": splits[session.subject],
                "subject": session.subject,
                "clip": clip,
                "source": str(session.folder),
            }
            rows += annotated_rows(footage, affect, root / "landmarks" / clip, common, left_out, every)
    if not rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in (+left_out).items())
        raise DataNotFoundError(
            f"semaine (traces, but no frames; {reasons})", root, ["Sessions/2/*.avi", "frames/2/00001.jpg"]
        )
    return FaceIndex.from_rows("semaine", root, None, rows, +left_out)


@reader
def semaine_folds(root: Path, folds: int = 5) -> dict[str, int]:
    """The fold of each recording, from the names of the traces alone; they balance the number of sessions.

    Raises:
        DataNotFoundError: There are no traces.
        DataError: A session's traces are of two recordings, or the folds outnumber the recordings.
    """
    return _assign(_sessions(root, Counter()), folds)


def _assign(sessions: Sequence[Session], folds: int) -> dict[str, int]:
    return assign_folds(Counter(session.subject for session in sessions), folds)


def _sessions(root: Path, left_out: Counter[str]) -> list[Session]:
    """The sessions with traces of both dimensions, by number."""
    base = root / "Sessions" if (root / "Sessions").is_dir() else root
    folders = [path for path in subfolders(base) if re.fullmatch("[0-9]+", path.name)]
    found = []
    for folder in sorted(folders, key=lambda path: int(path.name)):
        with one_row():
            found.append(_session(folder))
    sessions = [session for session in found if session is not None]
    left_out["session without valence and arousal"] = len(found) - len(sessions)
    if not sessions:
        raise DataNotFoundError("semaine", base, ["2/R5S1TUCPoDV.txt and 2/R5S1TUCPoDA.txt"])
    return sessions


def _session(folder: Path) -> Session | None:
    latest: dict[tuple[str, int], tuple[int, Path]] = {}
    recordings = set()
    for path in (folder / name for name in filenames(folder)):
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        recordings.add(int(match["recording"]))
        key = match["dimension"], int(match["rater"])
        repeat = max(int(match["again"] or 0), int(match["repeat"] or 0))
        last = latest.setdefault(key, (repeat, path))
        if last[0] == repeat and last[1] != path:
            raise DataError(f"{path}: {last[1].name} is the same rater's trace of the same dimension")
        latest[key] = max(last, (repeat, path))
    files = {
        name: [path for (dimension, _), (_, path) in sorted(latest.items()) if dimension == letter]
        for name, letter in DIMENSIONS.items()
    }
    if not all(files.values()):
        return None
    if len(recordings) > 1:
        raise DataError(
            f"{folder}: traces of recordings {', '.join(map(str, sorted(recordings)))}, expected one"
        )
    return Session(folder, f"S{recordings.pop()}", files)


def _read_traces(files: Sequence[Path], left_out: Counter[str]) -> list[Trace]:
    traces = []
    for path in files:
        rows = [(line.number, line.text.split()) for line in text_lines(path) if line.text]
        if not rows:
            left_out["empty trace"] += 1
            continue
        table = number_table(path, rows, min(2, len(rows[0][1])))
        values = table[:, -1]
        times = np.arange(len(values), dtype=np.float64) * STEP if table.shape[1] == 1 else table[:, 0]
        checked(times, values, path, [i for i, _ in rows])
        traces.append(Trace(times, values))
    return traces


def _video(folder: Path, camera: str) -> Path | None:
    """The session's only video, or the one that the pattern fits."""
    films = [folder / name for name in filenames(folder) if Path(name).suffix.lower() in videos.SUFFIXES]
    if len(films) < 2:
        return films[0] if films else None
    fitting = [path for path in films if fnmatch(path.name.lower(), camera.lower())]
    if len(fitting) != 1:
        raise DataError(
            f"{folder}: '{camera}' fits {len(fitting)} of the videos "
            f"{', '.join(path.name for path in films)}; say which one with --data.camera"
        )
    return fitting[0]
