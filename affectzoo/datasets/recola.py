"""RECOLA: video calls of French speakers, the first five minutes with valence and arousal every 40 ms.

Ringeval, Sonderegger, Sauer, Lalanne, "Introducing the RECOLA Multimodal Corpus of Remote Collaborative and
Affective Interactions", FG 2013. Access: signed agreement, academic research.

Layouts, the first one found is read (folders may be doubled)::

    root/RECOLA-Annotation/emotional_behaviour/{arousal,valence}/P16.csv     time;FM1;FM2;FM3;FF1;FF2;FF3
    root/ratings_gold_standard/{arousal,valence}/{train,dev}_1.arff          AVEC 2015 and 2016
    root/ratings_individual/{arousal,valence}/{train,dev}_1.csv              six raters, as above

and for the frames, numbered from 1 on as in the video::

    root/RECOLA-Video-recordings/P16.mp4      or RECOLA_Video_recordings, recordings_video, videos
    root/RECOLA-Video-timings/P16.csv         optional: time in seconds of each frame; else as the video says
    root/frames/P16/00001.jpg                 instead of the video: frames that you extracted, or faces
    root/landmarks/P16/00001.pts              optional: 68 landmarks per frame that you found

Without timings frames have the times at which the video shows them, also where its rate varies; without a
video 25 are a second. Without landmarks the whole image stands for the face. Kollias et al. (IJCV 2019)
report 16, 15 and 15 persons for training, validation and test; that division was not published.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from affectzoo.console import counted
from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.footage import (
    Footage,
    annotated_rows,
    check_every,
    find_footage,
    find_videos,
    unpacked,
)
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.datasets.traces import (
    Floats,
    Trace,
    at_times,
    checked,
    gold_standard,
    number_table,
    text_lines,
)
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import by_stem

LABELS = (
    "RECOLA-Annotation/emotional_behaviour",
    "emotional_behaviour",
    "ratings_gold_standard",
    "ratings_individual",
)
VIDEOS = ("RECOLA-Video-recordings", "RECOLA_Video_recordings", "recordings_video", "videos")
TIMINGS = "RECOLA-Video-timings"
SPLITS = {"P": "train", "train_": "train", "dev_": "valid", "test_": "test"}
ANNOTATION = re.compile(rf"({'|'.join(SPLITS)})[0-9]+\.(csv|arff)")
DIMENSIONS = ("valence", "arousal")
RATE = 25.0
"""Frames per second where neither timings nor a video say."""
REACH = 0.04
"""Seconds from a frame to the nearest annotation, at most: one step."""


class Person(NamedTuple):
    """One person: name, and the annotation file of each dimension."""

    name: str
    valence: Path
    arousal: Path


@reader
def read_recola(
    root: Path, fold: int | None = None, *, folds: int = 5, every: int = 1, lag: float = 0.0
) -> FaceIndex:
    """Index RECOLA.

    Six raters are fused as for AVEC 2016 (``traces.gold_standard``). A frame takes the annotation nearest in
    time; frames without one within 40 ms, such as all after five minutes, and persons without frames are
    excluded and counted.

    Args:
        root: The folder that holds the annotations and videos.
        fold: ``None``: AVEC's training part is ``train`` and its development part ``valid``; in the other
            layout everyone is ``train``. A number, 0 to ``folds - 1``: that fold is ``test`` and all other
            persons are ``train``.
        folds: Number of folds, which hold whole persons.
        every: Take one in so many frames, the first one on.
        lag: Seconds that annotations come after what they describe.

    Raises:
        DataNotFoundError: There are no annotations, or no frames.
        DataError: A file is not as described (file and line are named), or there is no such fold.
    """
    check_every("recola", every)
    left_out: Counter[str] = Counter()
    people = _people(root)
    splits = {person.name: SPLITS[re.sub("[0-9]+", "", person.name)] for person in people}
    if fold is not None:
        splits = fold_splits("recola", _assign(people, folds), fold)
    films = find_videos(unpacked(root / name) for name in VIDEOS)
    rows: list[dict[str, Any]] = []
    for person in people:
        with one_row():
            footage = find_footage(root, root / "frames" / person.name, films.get(person.name))
            if not footage.paths:
                left_out["person without frames"] += 1
                continue
            times = _times(root, person.name, footage) + lag
            traces = [_read(path) for path in (person.valence, person.arousal)]
            affect = np.stack([at_times(*trace, times, REACH) for trace in traces], axis=1)
            common = {
                "split": splits[person.name],
                "subject": person.name,
                "clip": person.name,
                "source": str(person.valence),
            }
            rows += annotated_rows(footage, affect, root / "landmarks" / person.name, common, left_out, every)
    if not rows:
        expected = [f"{name}/{people[0].name}.mp4" for name in VIDEOS]
        raise DataNotFoundError(
            "recola (annotations, but no frames)", root, [*expected, f"frames/{people[0].name}/00001.jpg"]
        )
    return FaceIndex.from_rows("recola", root, None, rows, +left_out)


@reader
def recola_folds(root: Path, folds: int = 5) -> dict[str, int]:
    """The fold of each person, from the annotation files' names alone.

    Raises:
        DataNotFoundError: There are no annotations.
        DataError: A person has one dimension only, or the folds outnumber the persons.
    """
    return _assign(_people(root), folds)


def _assign(people: Sequence[Person], folds: int) -> dict[str, int]:
    return assign_folds({person.name: 1 for person in people}, folds)  # all are annotated equally long


def _people(root: Path) -> list[Person]:
    for place in LABELS:
        base = unpacked(root / place)
        valence, arousal = (by_stem(base / kind, ANNOTATION.fullmatch) for kind in DIMENSIONS)
        for name in sorted(valence.keys() ^ arousal.keys()):
            kind = "arousal" if name in valence else "valence"
            with one_row():
                raise DataError(f"{base / kind}: no file of {name}, but the other dimension has one")
        both = valence.keys() & arousal.keys()
        if both:
            order = sorted(both, key=lambda name: (name.rstrip("0123456789"), len(name), name))
            return [Person(name, valence[name], arousal[name]) for name in order]
    names = ("P16.csv", "P16.csv", "train_1.arff", "train_1.csv")
    expected = [f"{place}/valence/{name}" for place, name in zip(LABELS, names, strict=True)]
    raise DataNotFoundError("recola", root, expected)


def _times(root: Path, name: str, footage: Footage) -> Floats:
    """Time of each frame, seconds, shape (``footage.length``,)."""
    path = unpacked(root / TIMINGS) / f"{name}.csv"
    if not path.is_file():
        return footage.times(RATE)
    header, rows = _semicolons(path)
    columns = [i for i, column in enumerate(header) if "time" in column.lower()]
    if len(columns) != 1:
        raise DataError(f"{path}, line 1: '{';'.join(header)}', expected one column of time in seconds")
    times: Floats = number_table(path, rows, len(header))[:, columns[0]]
    checked(times, np.zeros(0), path, [i for i, _ in rows])
    if len(times) < footage.length:
        raise DataError(f"{path}: {len(times)} times, but there are {footage.length} frames")
    return times[: footage.length]


def _read(path: Path) -> Trace:
    times, values, lines = _read_arff(path) if path.suffix == ".arff" else _read_raters(path)
    checked(times, values, path, lines)
    # The shift to the common level can leave the range by a little.
    fused = values[:, 0] if values.shape[1] == 1 else gold_standard(values).clip(-1, 1)
    return Trace(times, fused)


def _read_raters(path: Path) -> tuple[Floats, Floats, list[int]]:
    header, rows = _semicolons(path)
    if header[0].lower() != "time" or len(header) < 2:
        raise DataError(f"{path}, line 1: '{';'.join(header)}', expected time and one column per rater")
    table = number_table(path, rows, len(header))
    return table[:, 0], table[:, 1:], [i for i, _ in rows]


def _semicolons(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and line number and fields of each row, of a file with ``;`` between fields."""
    split = [(i, [field.strip() for field in line.split(";")]) for i, line in _lines(path) if line.strip(";")]
    if len(split) < 2:
        raise DataError(f"{path}: no header and values")
    (_, header), *rows = split
    return header, rows


def _read_arff(path: Path) -> tuple[Floats, Floats, list[int]]:
    """Times and gold standard; the header ends with ``@data``, however long it is."""
    names: list[str] = []
    rows = []
    data = False
    for i, line in _lines(path):
        keyword = line.split()[0].lower()
        if data and not line.startswith("%"):
            rows.append((i, [field.strip() for field in line.split(",")]))
        elif keyword == "@attribute":
            names.append([*line.split(), ""][1].strip("'\"").lower())
        data = data or keyword == "@data"
    wanted = ("frametime", "goldstandard")
    if not rows or not set(wanted) <= set(names):
        raise DataError(f"{path}: expected attributes frameTime and GoldStandard, then @data")
    for i, fields in rows:
        if len(fields) != len(names):
            raise DataError(f"{path}, line {i}: {counted(len(fields), 'field')}, expected {len(names)}")
    numbers = [(i, [fields[names.index(name)] for name in wanted]) for i, fields in rows]
    table = number_table(path, numbers, len(wanted))
    return table[:, 0], table[:, 1:], [i for i, _ in numbers]


def _lines(path: Path) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in text_lines(path) if line.text]
