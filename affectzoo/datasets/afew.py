"""AFEW, the video clips of the EmotiW challenges: films, seven classes, one label per clip.

Dhall, Goecke, Lucey, Gedeon, "Collecting Large, Richly Annotated Facial-Expression Databases from
Movies", IEEE MultiMedia 19(3), 2012; EmotiW, ICMI 2013 to 2019. Access: signed agreement, research only.

Layout (parts are folders whose names begin with Train, Val or Test, in any case, such as ``train_afew``)::

    root/Train_AFEW/
      Angry/000046280.avi                                               the folder is the label
      AlignedFaces_LBPTOP_Points/Faces/000046280/001.jpg                the organisers' face crops
    root/Val_AFEW/
      Angry/...
      AlignedFaces_LBPTOP_Points_Val/Faces/...
    root/Test_AFEW/...                                                  without labels

A clip's crops are in the folder of its number, wherever that lies below its part. Where it lies in a
class's folder (``Train_AFEW/Angry/000046280/001.jpg``), the videos need not be there.

The validation part is what papers report: 383 clips, of which 381 have face crops. A crop may show
another person than the one that was labeled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, UnreadableImageError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import Listing, filenames, peek, walk
from affectzoo.files.images import SUFFIXES
from affectzoo.files.videos import SUFFIXES as VIDEO_SUFFIXES
from affectzoo.files.videos import Video
from affectzoo.labels import SPACES, canonical

Pictures = Literal["aligned", "video"]
LABELS = SPACES["afew7"]
SPLITS = {"train": "train", "val": "valid", "test": "test"}
"""How the names of the parts' folders begin, and which part each is."""
CLIP = re.compile("[0-9]+")
"""The name of a clip."""


class Part(NamedTuple):
    """What one part holds, by clip: classes, videos and folders of face crops."""

    labels: dict[str, str]
    videos: dict[str, Path]
    faces: dict[str, Path]


@reader
def read_afew(root: Path, pictures: Pictures = "aligned") -> FaceIndex:
    """Index AFEW: every frame has its clip's label.

    Clips without a label (the test part), without a video or without face crops are excluded and
    counted, and so are videos that cannot be opened. Clips are named with their part, for the same
    number can stand for another clip there.

    Args:
        root: The folder that holds the parts. Parts that are not there are excluded.
        pictures: ``aligned``: the organisers' face crops; ``video``: whole film frames, without boxes.

    Raises:
        DataNotFoundError: There is no labeled clip, or none with the images asked for.
        DataError: A clip is in two places of one part, or a frame is there twice or has no number.
    """
    parts = {split: _read_part(root, prefix) for prefix, split in SPLITS.items()}
    if not any(part.labels for part in parts.values()):
        raise DataNotFoundError("afew", root, ["Train_AFEW/Angry/000046280.avi", "Val_AFEW/Angry/..."])
    left_out: Counter[str] = Counter()
    rows = []
    for split, part in parts.items():
        left_out["clip without label"] += len((part.videos.keys() | part.faces) - part.labels.keys())
        for clip, label in sorted(part.labels.items()):
            found = _frames(part, clip, pictures)
            if isinstance(found, str):
                left_out[found] += 1
                continue
            rows += [
                {
                    "path": path.relative_to(root).as_posix(),
                    "split": split,
                    "label": label,
                    "target": one_hot(LABELS, label),
                    "clip": f"{split}/{clip}",
                    "frame": number,
                    "source": str(part.videos.get(clip) or part.faces[clip]),
                }
                for number, path in found
            ]
    if not rows and pictures == "aligned":
        hint = "afew (no face crops; --data.pictures video takes whole film frames)"
        raise DataNotFoundError(hint, root, ["Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/000046280/001.jpg"])
    if not rows:
        raise DataNotFoundError("afew (no readable video)", root, ["Train_AFEW/Angry/000046280.avi"])
    return FaceIndex.from_rows("afew", root, LABELS, rows, +left_out)


def walk_part(root: Path, prefix: str) -> Iterator[Listing]:
    """List the folders of a part, by name, down to those of single clips.

    Args:
        root: Holds the parts' folders.
        prefix: How the names of the part's folders begin, in lower case.
    """
    places = peek(root).folders if root.is_dir() else ()
    for name in places:
        if name.lower().startswith(prefix):
            yield from walk(root / name, lambda path: not CLIP.fullmatch(path.name))


def expression(folder: Path) -> str | None:
    """The class that a folder stands for by its name, ``None`` for another folder."""
    name = canonical(folder.name)
    return name if name in LABELS.names else None


def _read_part(root: Path, prefix: str) -> Part:
    part = Part({}, {}, {})

    def note(clips: dict[str, Path], clip: str, path: Path) -> None:
        with one_row():
            if clips.setdefault(clip, path) != path:
                raise DataError(f"{path}: the clip is also in {clips[clip]}")
            label = expression(path.parent)
            if label is not None and part.labels.setdefault(clip, label) != label:
                raise DataError(f"{path}: the clip is also labeled {part.labels[clip]}")

    for listing in walk_part(root, prefix):
        for name in filter(CLIP.fullmatch, listing.folders):
            note(part.faces, name, listing.path / name)
        for path in (listing.path / name for name in listing.files):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                note(part.videos, path.stem, path)
    return part


def _frames(part: Part, clip: str, pictures: Pictures) -> list[tuple[int, Path]] | str:
    """Number and file of each frame, in order, or why there are none."""
    if pictures == "video":
        path = part.videos.get(clip)
        if path is None:
            return "clip without video"
        try:
            count = Video(path).frames
        except UnreadableImageError:
            return "video that cannot be opened"
        return [(number, path) for number in range(count)] or "video without frames"
    folder = part.faces.get(clip)
    frames: dict[int, Path] = {}
    for path in [] if folder is None else [folder / name for name in filenames(folder)]:
        if path.suffix.lower() not in SUFFIXES:
            continue
        with one_row():
            number = re.search("[0-9]+$", path.stem)
            if number is None:
                raise DataError(f"{path}: expected a frame's number at the end, such as 001.jpg")
            if frames.setdefault(int(number[0]), path) != path:
                raise DataError(f"{path}: the frame is also in {frames[int(number[0])].name}")
    return sorted(frames.items()) or "clip without faces"
