"""AFEW-VA: 600 clips from films with valence and arousal for each frame.

Kossaifi, Tzimiropoulos, Todorovic, Pantic, "AFEW-VA database for valence and arousal estimation
in-the-wild", Image and Vision Computing 65, 2017. Access: the authors' form, non-commercial research.

Layout (the twelve folders of the archives may be merged into one)::

    root/[01/]001/00000.png ...    film stills; JPEG is read too
    root/[01/]001/001.json         {"video_id": "001", "actor": ..., "frames": {"00000":
                                   {"landmarks": 68 pairs, "valence": -10..10, "arousal": -10..10}}}

No folds are shipped, so they are computed: person-independent, see ``affectzoo.datasets.folds``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from affectzoo.datasets.fields import box_around, number, points
from affectzoo.datasets.folds import assign_folds, fold_splits
from affectzoo.datasets.footage import unpacked
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, subfolders
from affectzoo.files.text import read_json

SUFFIXES = (".jpeg", ".jpg", ".png")
SCALE = 10


class Clip(NamedTuple):
    """One clip's annotation file: where it is, who is shown, and what it says of each frame."""

    path: Path
    subject: str
    frames: dict[str, Any]


@reader
def read_afewva(root: Path, fold: int = 0, *, folds: int = 5) -> FaceIndex:
    """Index AFEW-VA, with one fold as ``test`` and the others as ``train``.

    Valence and arousal are divided by 10. The box is the one around the landmarks; a frame without
    landmarks has none, and stands for the whole image. Frames without an image, images without
    an annotation and clips without frames or annotation file are excluded and counted.

    Args:
        root: The folder that holds the clips' folders, or the folders ``01`` to ``12`` with them.
            Other folders (such as ``001_cropped``) are ignored.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of folds.

    Raises:
        DataNotFoundError: There are no clips, or no images in them.
        DataError: An annotation file is not as described (file, frame and field are named), a clip
            is there twice, or there is no such fold.
    """
    left_out: Counter[str] = Counter()
    clips = _read_clips(root, left_out)
    splits = fold_splits("afewva", _assign(clips, folds), fold)
    rows = []
    for clip in clips:
        folder = clip.path.parent
        pictures = {Path(name).stem: name for name in filenames(folder) if name.lower().endswith(SUFFIXES)}
        left_out["no image"] += len(clip.frames.keys() - pictures)
        left_out["image without annotation"] += len(pictures.keys() - clip.frames)
        for key in sorted(clip.frames.keys() & pictures):
            with one_row():
                rows.append(
                    {
                        "path": (folder / pictures[key]).relative_to(root).as_posix(),
                        "split": splits[clip.subject],
                        **_affect(clip.frames[key], f"{clip.path}, frame {key}"),
                        "subject": clip.subject,
                        "clip": folder.name,
                        "frame": int(key),
                        "source": f"{clip.path}, frame {key}",
                    }
                )
    if not rows:
        raise DataNotFoundError("afewva (no images)", clips[0].path.parent, ["00000.png"])
    return replace(FaceIndex.from_rows("afewva", root, None, rows, +left_out), scale=SCALE)


@reader
def afewva_folds(root: Path, folds: int = 5) -> dict[str, int]:
    """The fold of each subject, from the annotation files alone: missing images change nothing.

    Raises:
        DataNotFoundError: There are no clips.
        DataError: An annotation file is not as described, or the folds outnumber the subjects.
    """
    return _assign(_read_clips(root, Counter()), folds)


def _assign(clips: list[Clip], folds: int) -> dict[str, int]:
    frames: Counter[str] = Counter()
    for clip in clips:
        frames[clip.subject] += len(clip.frames)
    return assign_folds(frames, folds)


def _read_clips(root: Path, left_out: Counter[str]) -> list[Clip]:
    """The clips that have frames, by name."""
    groups = [root, *(unpacked(path) for path in subfolders(root) if re.fullmatch("[0-9]{2}", path.name))]
    folders: dict[str, Path] = {}
    clips_of = (path for group in groups for path in subfolders(group))
    for folder in sorted(path for path in clips_of if re.fullmatch("[0-9]{3}", path.name)):
        with one_row():
            if folders.setdefault(folder.name, folder) != folder:
                raise DataError(f"{folder}: the clip is also in {folders[folder.name]}")
    files = [folder / f"{name}.json" for name, folder in sorted(folders.items())]
    annotated = [path for path in files if path.is_file()]
    clips = []
    for path in annotated:
        with one_row():
            clips.append(_read_clip(path))
    if not clips:
        raise DataNotFoundError("afewva", root, ["001/001.json", "01/001/001.json"])
    left_out["clip without annotation"] = len(files) - len(annotated)
    left_out["clip without frames"] = sum(not clip.frames for clip in clips)
    return [clip for clip in clips if clip.frames]


def _read_clip(path: Path) -> Clip:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), dict):
        raise DataError(f"{path}: expected video_id, actor and frames")
    if content.get("video_id") != path.stem:
        raise DataError(f"{path}: video_id is '{content.get('video_id')}', expected '{path.stem}'")
    actor = content.get("actor")
    named = str(actor) if isinstance(actor, str | int) else ""
    subject = " ".join(unicodedata.normalize("NFKC", named).casefold().split())
    if not subject:
        raise DataError(f"{path}: no actor, but folds go by actor")
    strange = [key for key in content["frames"] if not re.fullmatch("[0-9]{5}", key)]
    if strange:
        raise DataError(f"{path}: frame '{strange[0]}', expected five digits")
    return Clip(path, subject, content["frames"])


def _affect(frame: Any, where: str) -> dict[str, Any]:
    if not isinstance(frame, dict):
        raise DataError(f"{where}: expected landmarks, valence and arousal")
    row: dict[str, Any] = {
        name: number(frame.get(name), where, name, -SCALE, SCALE, whole=True) / SCALE
        for name in ("valence", "arousal")
    }
    if frame.get("landmarks"):
        landmarks = points(frame["landmarks"], where, 68)
        row["landmarks"] = landmarks
        row["box"] = box_around(landmarks)
    return row
