"""Aff-Wild2, valence and arousal track: videos with cropped faces, valence and arousal for each frame.

Kollias and Zafeiriou, "Expression, Affect, Action Unit Recognition: Aff-Wild2, Multi-Task Learning and
ArcFace", BMVC 2019, and the ABAW challenges. Access: signed agreement, academic research.

Layout: annotations of one edition, and crops of one kind::

    root/[annotations/]VA_Set/{Training_Set,Train_Set,Validation_Set}/<name>.txt
    root/[annotations/][6th_ABAW_Annotations/]VA_Estimation_Challenge/{Train_Set,Validation_Set}/<name>.txt
    root/cropped_aligned/<name>/00001.jpg               and cropped_aligned_new_50_vids/<name>/00001.jpg
    root/cropped/<name>/00001.jpg

An annotation file has the header ``valence,arousal`` and one line per frame; the first is image 1. -5
stands for a frame that is not annotated. ``<name>`` is the video's, with ``_left`` or ``_right`` where two
people are annotated. Annotations of the test part were never published.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal

from affectzoo.datasets.fields import number
from affectzoo.datasets.footage import check_every, numbered, unpacked
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.datasets.traces import is_text, text_lines
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, is_litter, subfolders
from affectzoo.files.images import SUFFIXES

Pictures = Literal["cropped_aligned", "cropped"]
FOLDERS = {"train": ("Training_Set", "Train_Set"), "valid": ("Validation_Set",)}
TRACKS = ("VA_Set", "VA_Estimation_Challenge")
COLUMNS = ("valence", "arousal")
UNKNOWN = -5.0
"""Stands for valence or arousal that is not annotated."""


@reader
def read_affwild2(root: Path, pictures: Pictures = "cropped_aligned", *, every: int = 1) -> FaceIndex:
    """Index Aff-Wild2's valence and arousal track. The subject is the video, so that hold-outs keep it whole.

    Frames that are not annotated, annotated frames without a crop and crops without an annotation are left
    out and counted.

    Args:
        root: The folder that holds the annotations and the crops.
        pictures: ``cropped_aligned``: the authors' aligned faces; ``cropped``: their box crops.
        every: Take one in so many frames, the first one on.

    Raises:
        DataNotFoundError: There are no annotations, or no crops of this kind.
        DataError: A file is not as described (file, line and field are named), or annotations of two
            editions or crops of one name in two folders are there.
    """
    check_every("affwild2", every)
    folders = _crop_folders(root, pictures)
    left_out: Counter[str] = Counter()
    rows = []
    for split, path in _files(root):
        folder = folders.get(path.stem)
        crops = {} if folder is None else numbered(folder, SUFFIXES)
        lines = 0
        for lines, valence, arousal in _read(path):
            if (lines - 1) % every:
                continue
            if UNKNOWN in (valence, arousal):
                left_out["not annotated"] += 1
            elif folder is None or lines not in crops:
                left_out["no crop"] += 1
            else:
                where = f"{path}, line {lines + 1}"
                with one_row():
                    rows.append(
                        {
                            "path": (folder / crops[lines]).relative_to(root).as_posix(),
                            "split": split,
                            "valence": number(valence, where, "valence", -1, 1) + 0.0,
                            "arousal": number(arousal, where, "arousal", -1, 1) + 0.0,
                            "subject": re.sub("_(left|right)$", "", path.stem),
                            "clip": path.stem,
                            "frame": lines,
                            "source": where,
                        }
                    )
        left_out["crop without annotation"] += sum(crop > lines for crop in crops)
    if not rows:
        raise DataNotFoundError("affwild2 (no annotated crop)", root, [f"{pictures}/<name>/00001.jpg"])
    return FaceIndex.from_rows("affwild2", root, None, rows, +left_out)


def _files(root: Path) -> list[tuple[str, Path]]:
    """Split and annotation file of each person in each video."""
    found: dict[str, tuple[str, Path]] = {}
    for split, names in FOLDERS.items():
        places = [
            place
            for above in ("", "*/", "*/*/")
            for track in TRACKS
            for name in names
            for place in sorted(root.glob(f"{above}{track}/{name}"))
            if place.is_dir() and not any(map(is_litter, place.relative_to(root).parts))
        ]
        if len(places) > 1:
            raise DataError(f"{places[1]}: {places[0]} is another edition's {split} part; keep one of them")
        for path in (place / file for place in places for file in filenames(place) if is_text(file)):
            with one_row():
                if path.stem in found:
                    raise DataError(f"{path}: the same name is in {found[path.stem][1]}")
                found[path.stem] = split, path
    if not found:
        sets = [f"{track}/{name}" for track in TRACKS for names in FOLDERS.values() for name in names]
        expected = [f"{above}{name}/<name>.txt" for above in ("", "annotations/") for name in sets]
        raise DataNotFoundError("affwild2", root, expected)
    return list(found.values())


def _crop_folders(root: Path, pictures: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place in (unpacked(root / pictures), unpacked(root / f"{pictures}_new_50_vids")):
        for folder in subfolders(place):
            with one_row():
                if found.setdefault(folder.name, folder) != folder:
                    raise DataError(f"{folder}: crops of the same name are in {found[folder.name]}")
    if not found:
        raise DataNotFoundError("affwild2 (no crops)", root, [f"{pictures}/<name>/00001.jpg"])
    return found


def _read(path: Path) -> list[tuple[int, float, float]]:
    """Number from 1 on, valence and arousal of each line after the header, -5 included."""
    lines = text_lines(path)
    first = lines[0].text if lines and lines[0].number == 1 else ""
    header = [name.strip().lower() for name in first.split(",")]
    if sorted(header) != sorted(COLUMNS):
        raise DataError(f"{path}, line 1: '{first}', expected valence,arousal")
    places = [header.index(name) for name in COLUMNS]
    values = []
    for line in lines[1:]:
        with one_row():
            fields = line.text.split(",")
            if len(fields) != len(COLUMNS):
                raise DataError(f"{line.where}: '{line.text}', expected valence and arousal")
            valence, arousal = (
                number(fields[place].strip(), line.where, name)
                for place, name in zip(places, COLUMNS, strict=True)
            )
            values.append((line.number - 1, valence, arousal))
    return values
