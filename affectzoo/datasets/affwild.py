"""Aff-Wild: 298 videos of reactions with valence and arousal for each frame.

Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures, and
Beyond", IJCV 127, 2019; Zafeiriou et al., CVPRW 2017. Access: signed agreement, academic research.

Layout (a folder ``train`` may hold a second one, and ``bboxes`` may be called ``bboxs``)::

    root/annotations/train/{valence,arousal}/105.txt    a number in -1..1 per line, no header
    root/bboxes/train/105/1.pts                         four corners; 1 is the first frame
    root/landmarks/train/105/1.pts                      68 points
    root/videos/train/105.avi                           or another video format
    root/frames/train/105/00001.jpg                     instead of videos: whole frames that you extracted

The same for ``test``, whose annotations were withheld; without them its videos are excluded. Two people of
one video are ``105_left`` and ``105_right`` of the video ``105``. Where no face was found there is no box.

The files do not say to which frame a line belongs. As many lines as frames: each line is a frame. As many
lines as boxes: each is a frame with a box. One line more or less than frames: each is a frame, from the first
on. Else the video is excluded, with a warning.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from affectzoo.datasets.fields import box_around, number
from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.footage import (
    Footage,
    check_every,
    find_footage,
    find_videos,
    numbered,
    read_pts,
    unpacked,
)
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.datasets.traces import is_text, text_lines
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import by_stem

PARTS = ("train", "test")


class Clip(NamedTuple):
    """One person in one video: the part and name, and valence and arousal of each line."""

    part: str
    name: str
    source: Path
    valence: list[float]
    arousal: list[float]

    @property
    def video(self) -> str:
        """The video's name."""
        return re.sub("_(left|right)$", "", self.name)

    @property
    def subject(self) -> str:
        """The video with its part: who is shown is not published."""
        return f"{self.part}/{self.video}"


RATE = 30.0
"""Frames per second of most of the videos."""


@reader
def read_affwild(
    root: Path,
    fold: int | None = None,
    *,
    folds: int = 5,
    landmarks: bool = True,
    every: int = 1,
    lag: float = 0.0,
) -> FaceIndex:
    """Index Aff-Wild. The subject is the video, as who is shown is not published.

    Frames without box or image, videos without annotations and videos whose lines fit neither frames nor
    boxes are excluded and counted.

    Args:
        root: The folder that holds ``annotations`` and the others.
        fold: ``None``: the authors' parts. A number, 0 to ``folds - 1``: that fold of the training videos is
            ``test`` and the authors' test part is excluded.
        folds: Number of folds, which hold whole videos.
        landmarks: Whether to read the landmarks, which are one file per frame.
        every: Take one in so many frames, the first one on.
        lag: Seconds that annotations come after what they describe: a frame takes the one of the frame so
            much later, and frames too near to the end are excluded and counted. Where only extracted frames
            are there, ``RATE`` frames make a second.

    Raises:
        DataNotFoundError: There are no annotations, or no annotated frame has an image and a box.
        DataError: A file is not as described (file, line and field are named), or there is no such fold.
    """
    check_every("affwild", every)
    left_out: Counter[str] = Counter()
    clips = _read_clips(root)
    splits = {clip.subject: clip.part for clip in clips}
    if fold is not None:
        splits = fold_splits("affwild", _assign(clips, folds), fold)
    films = {part: find_videos([unpacked(root / "videos" / part)]) for part in PARTS}
    annotated = {clip.subject for clip in clips}
    listed = {f"{part}/{name}" for part in PARTS for name in films[part]}
    left_out["video without annotation"] = len(listed - annotated)
    rows: list[dict[str, Any]] = []
    unmatched = []
    for clip in clips:
        with one_row():
            if clip.subject not in splits:
                left_out["authors' test part"] += len(clip.valence)
                continue
            pictures = unpacked(root / "frames" / clip.part) / clip.video
            footage = find_footage(root, pictures, films[clip.part].get(clip.video))
            boxes = _points_of(_face_folder(root, clip, "bboxes", "bboxs"))
            frames = _frames_of_lines(len(clip.valence), footage.length, boxes)
            if footage.paths and frames is None:
                unmatched.append(f"{clip.subject} ({len(clip.valence)}, {footage.length}, {len(boxes)})")
            if frames is None:
                reason = "lines fit neither frames nor boxes" if footage.paths else "no video"
                left_out[reason] += len(clip.valence)
                continue
            left_out["box without annotation"] += len(boxes.keys() - {frame + 1 for frame in frames})
            marks = _points_of(_face_folder(root, clip, "landmarks")) if landmarks else {}
            late = round(lag * (footage.rate or RATE))
            lines = {frame: line for line, frame in enumerate(frames)}
            taken = [frame for frame in frames if frame % every == 0]
            wanted = [(lines[frame + late], frame) for frame in taken if frame + late in lines]
            left_out["no annotation after the lag"] += len(taken) - len(wanted)
            rows += _rows(clip, splits[clip.subject], wanted, footage, boxes, marks, left_out)
    if unmatched:
        warnings.warn(
            f"affwild: {len(unmatched)} videos are excluded, their lines fit neither frames nor boxes "
            f"(video (lines, frames, boxes): {', '.join(unmatched[:5])})",
            stacklevel=2,
        )
    if not rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in (+left_out).items())
        raise DataNotFoundError(
            f"affwild (annotations, but no frame with image and box; {reasons})",
            root,
            [
                "videos/train/105.avi and bboxes/train/105/1.pts",
                "frames/train/105/00001.jpg and the same box",
            ],
        )
    return FaceIndex.from_rows("affwild", root, None, rows, +left_out)


@reader
def affwild_folds(root: Path, folds: int = 5) -> dict[str, int]:
    """The fold of each training video, from the annotation files alone.

    Raises:
        DataNotFoundError: There are no annotations.
        DataError: An annotation file is not as described, or the folds outnumber the videos.
    """
    return _assign(_read_clips(root), folds)


def _assign(clips: Sequence[Clip], folds: int) -> dict[str, int]:
    lines: Counter[str] = Counter()
    for clip in clips:
        if clip.part == "train":
            lines[clip.subject] += len(clip.valence)
    return assign_folds(lines, folds)


def _read_clips(root: Path) -> list[Clip]:
    clips = []
    for part in PARTS:
        folder = unpacked(root / "annotations" / part)
        files = {kind: by_stem(folder / kind, is_text) for kind in ("valence", "arousal")}
        for name in sorted(files["valence"].keys() ^ files["arousal"].keys()):
            kind = "arousal" if name in files["valence"] else "valence"
            with one_row():
                raise DataError(f"{folder / kind / name}.txt: missing, but the other dimension is there")
        for name in [name for name in files["valence"] if name in files["arousal"]]:
            with one_row():
                path = files["valence"][name]
                valence = _read_values(path, "valence")
                arousal = _read_values(files["arousal"][name], "arousal")
                if not 0 < len(valence) == len(arousal):
                    raise DataError(
                        f"{path}: {len(valence)} lines, and {len(arousal)} of arousal; "
                        "expected as many, at least one"
                    )
                clips.append(Clip(part, name, path, valence, arousal))
    if not clips:
        expected = ["annotations/train/valence/105.txt", "annotations/train/train/valence/105.txt"]
        raise DataNotFoundError("affwild", root, expected)
    return clips


def _read_values(path: Path, name: str) -> list[float]:
    lines = text_lines(path)
    values = [math.nan] * (lines[-1].number if lines else 0)  # a line at fault keeps its place
    for line in lines:
        with one_row():
            values[line.number - 1] = number(line.text, line.where, name, -1, 1) + 0.0
    return values


def _rows(
    clip: Clip,
    split: str,
    wanted: Iterable[tuple[int, int]],
    footage: Footage,
    boxes: Mapping[int, Path],
    marks: Mapping[int, Path],
    left_out: Counter[str],
) -> list[dict[str, Any]]:
    """Index rows of the wanted lines and their frames, both from 0 on; the files' numbers are from 1 on."""
    rows = []
    for line, frame in wanted:
        if frame not in footage.paths or frame + 1 not in boxes:
            left_out["no box" if frame in footage.paths else "no image"] += 1
            continue
        if math.isnan(clip.valence[line] + clip.arousal[line]):
            continue  # at fault
        with one_row():
            box = box_around(read_pts(boxes[frame + 1], 4))
            if not (box[0] < box[2] and box[1] < box[3]):
                left_out["box unusable"] += 1
                continue
            rows.append(
                {
                    "path": footage.paths[frame],
                    "split": split,
                    "valence": clip.valence[line],
                    "arousal": clip.arousal[line],
                    "subject": clip.subject,
                    "clip": f"{clip.part}/{clip.name}",
                    "frame": frame,
                    "box": box,
                    "landmarks": read_pts(marks[frame + 1], 68) if frame + 1 in marks else None,
                    "source": f"{clip.source}, line {line + 1}",
                }
            )
    return rows


def _points_of(folder: Path) -> dict[int, Path]:
    """The folder's ``.pts`` files by number."""
    return {i: folder / name for i, name in numbered(folder, (".pts",)).items()}


def _face_folder(root: Path, clip: Clip, *kinds: str) -> Path:
    """The person's folder under the first of these names that is there."""
    folders = [unpacked(root / kind / clip.part) / clip.name for kind in kinds]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _frames_of_lines(lines: int, length: int, boxes: Collection[int]) -> Sequence[int] | None:
    """The frame, from 0 on, that each line belongs to; ``None`` where no rule fits."""
    if lines == length:
        return range(lines)
    if lines == len(boxes) and length:
        return [box - 1 for box in boxes]
    return range(lines) if length and abs(lines - length) == 1 else None
