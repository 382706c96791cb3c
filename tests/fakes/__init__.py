"""Tiny data sets with random images, laid out as the real ones are shipped.

Every class occurs in every part, ``per_class`` times, and the same seed writes the same bytes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

FERPLUS_CLASSES = "neutral happiness surprise sadness anger disgust fear contempt".split()
FERPLUS_FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
FER2013_CLASSES = "anger disgust fear happiness sadness surprise neutral".split()
FER2013_FOLDERS = "angry disgust fear happy sad surprise neutral".split()
FER2013_USAGES = ("Training", "PublicTest", "PrivateTest")
RAFDB_CLASSES = "surprise fear disgust happiness sadness anger neutral".split()


def picture(random: np.random.Generator, *shape: int) -> Picture:
    """Random pixels of that shape."""
    return random.integers(0, 256, shape, dtype=np.uint8)


def write_picture(path: Path, pixels: Picture) -> None:
    """Write RGB or gray pixels in the format that the name's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    assert cv2.imwrite(str(path), np.ascontiguousarray(bgr))


def write_video(
    path: Path, frames: int = 8, *, rate: float = 25.0, step: tuple[int, int, int] = (20, 20, 20)
) -> Path:
    """A video of 32 x 32 pixels, coded as its name's ending has it; frame n is of the RGB color n * step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {".flv": "FLV1", ".mp4": "mp4v"}.get(path.suffix, "MJPG")
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (32, 32))
    assert video.isOpened()
    for n in range(frames):
        video.write(np.full((32, 32, 3), [n * part % 256 for part in step[::-1]], np.uint8))
    video.release()
    return path


def write_ferplus(
    root: Path,
    per_class: int = 3,
    *,
    parts: Sequence[str] = ("train", "valid", "test"),
    nameless: int = 2,
    seed: int = 0,
) -> Path:
    """FER+: seven votes for the class and three for the next one, so that the rules differ.

    Each part ends with ``nameless`` rows without an image name; numbers skip, so that no number is
    the row's.
    """
    random = np.random.default_rng(seed)
    number = 0
    for part in parts:
        folder = root / FERPLUS_FOLDERS[part]
        folder.mkdir(parents=True)
        with (folder / "label.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            for i in range(8 * per_class):
                number += 1 + (i % 5 == 4)
                name = f"fer{number:07d}.png"
                votes = [0] * 10
                votes[i % 8], votes[(i + 1) % 8] = 7, 3
                rows.writerow([name, "(0, 0, 48, 48)", *votes])
                write_picture(folder / name, picture(random, 48, 48))
            rows.writerows([["", "(0, 0, 48, 48)", *[0] * 9, 10]] * nameless)
    return root


def _fer2013(per_class: int, seed: int) -> Iterator[tuple[str, int, Picture]]:
    random = np.random.default_rng(seed)
    for usage in FER2013_USAGES:
        for i in range(7 * per_class):
            yield usage, i % 7, picture(random, 48, 48)


def write_fer2013_csv(
    root: Path,
    form: Literal["fer2013", "icml", "train"] = "fer2013",
    per_class: int = 3,
    *,
    seed: int = 0,
) -> Path:
    """FER-2013 as a table; ``train`` is the form without a column for the part."""
    names = {"fer2013": "fer2013.csv", "icml": "icml_face_data.csv", "train": "train.csv"}
    headers = {
        "fer2013": "emotion,pixels,Usage",
        "icml": "emotion, Usage, pixels",
        "train": "emotion,pixels",
    }
    root.mkdir(parents=True, exist_ok=True)
    lines = [headers[form]]
    for usage, code, pixels in _fer2013(per_class, seed):
        values = " ".join(str(value) for value in pixels.ravel())
        if form == "train" and usage != "Training":
            continue
        tail = {
            "fer2013": f'"{values}",{usage}',
            "icml": f"{usage},{values}",
            "train": f'"{values}"',
        }
        lines.append(f"{code},{tail[form]}")
    (root / names[form]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_fer2013_folders(root: Path, per_class: int = 3, *, seed: int = 0) -> Path:
    """FER-2013 as folders: ``test`` mixes two parts, told apart by the images' names."""
    for number, (usage, code, pixels) in enumerate(_fer2013(per_class, seed)):
        part = "train" if usage == "Training" else "test"
        write_picture(root / part / FER2013_FOLDERS[code] / f"{usage}_{number}.jpg", pixels)
    return root


def write_rafdb(
    root: Path,
    pictures: Sequence[Literal["aligned", "original"]] = ("aligned", "original"),
    per_class: int = 3,
    *,
    doubled: bool = False,
    seed: int = 0,
) -> Path:
    """RAF-DB's basic part; ``doubled`` puts every unpacked folder into another of its name.

    The first training image's box reaches beyond the image.
    """
    random = np.random.default_rng(seed)
    base = root / "basic"

    def place(folder: str, name: str) -> Path:
        inner = Path(folder).name if doubled else ""
        path = base / folder / inner / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    listed = []
    for part, digits in (("train", 5), ("test", 4)):
        for i in range(7 * per_class):
            stem = f"{part}_{i + 1:0{digits}d}"
            listed.append(f"{stem}.jpg {i % 7 + 1}")
            if "aligned" in pictures:
                write_picture(place("Image/aligned", f"{stem}_aligned.jpg"), picture(random, 100, 100, 3))
            if "original" not in pictures:
                continue
            height, width = (int(side) for side in random.integers(110, 150, 2))
            write_picture(place("Image/original", f"{stem}.jpg"), picture(random, height, width, 3))
            x0, y0 = random.uniform(5, 40, 2) if listed[1:] else (-6.5, -3.25)
            side = random.uniform(50, 60)
            box = (x0, y0, x0 + side, y0 + 1.1 * side)
            place("Annotation/boundingbox", f"{stem}_boundingbox.txt").write_text(
                " ".join(f"{value:.3f}" for value in box) + " \n", encoding="utf-8"
            )
            shares = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
            gap = "\t" if i % 2 else "  "
            points = [f"{x0 + u * side:.3f}{gap}{y0 + v * side:.3f}" for u, v in shares]
            place("Annotation/manual", f"{stem}_manu_attri.txt").write_text(
                "\n".join([*points, "1", "0", "2"]) + "\n", encoding="utf-8"
            )
    (base / "EmoLabel").mkdir(parents=True, exist_ok=True)
    (base / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    return root


AFFECTNET_CLASSES = "neutral happiness sadness surprise fear disgust anger contempt".split()
AFFECTNET_COLUMNS = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def _affect(random: np.random.Generator) -> tuple[float, float]:
    """Valence and arousal inside the unit circle, three decimals."""
    valence, arousal = (round(float(value), 3) for value in random.uniform(-0.7, 0.7, 2))
    return valence, arousal


def write_affectnet_npy(root: Path, per_class: int = 3, *, text: bool = True, seed: int = 0) -> Path:
    """AffectNet's newer release; 0-d arrays of text or of numbers, ids 0, 3, 6, ..."""
    random = np.random.default_rng(seed)
    for part in ("train_set", "val_set"):
        (root / part / "annotations").mkdir(parents=True)
        for i in range(8 * per_class):
            valence, arousal = _affect(random)
            values = {"exp": i % 8, "val": valence, "aro": arousal}
            stem = root / part / "annotations" / str(3 * i)
            for kind, value in values.items():
                np.save(f"{stem}_{kind}.npy", np.array(str(value) if text else float(value)))
            np.save(f"{stem}_lnd.npy", random.uniform(0, 64, 136))
            write_picture(root / part / "images" / f"{3 * i}.jpg", picture(random, 64, 64, 3))
    return root


def write_affectnet_csv(
    root: Path,
    header: Literal["plain", "#", "none"] = "plain",
    per_class: int = 3,
    *,
    lists: str = "Manually_Annotated_file_lists",
    pictures: str = "Manually_Annotated_Images",
    seed: int = 0,
) -> Path:
    """AffectNet's older release, all eleven codes, whole images of 80 x 70 pixels.

    The first face is a ``.JPG`` that the list calls ``.jpg``, its box reaches beyond the image;
    none (8) has valence and arousal, uncertain (9) and non-face (10) have -2.
    """
    random = np.random.default_rng(seed)
    (root / lists).mkdir(parents=True, exist_ok=True)
    for part, name in enumerate(("training", "validation")):
        lines = {"plain": [AFFECTNET_COLUMNS], "#": [f"#{AFFECTNET_COLUMNS}"], "none": []}[header]
        for i in range(11 * per_class):
            valence, arousal = _affect(random) if i % 11 < 9 else (-2, -2)
            path = f"{i % 2 + 1}/{part}{i:03x}"
            write_picture(root / pictures / f"{path}.{'jpg' if i else 'JPG'}", picture(random, 70, 80, 3))
            points = ";".join(f"{value:.2f}" for value in random.uniform(10, 60, 136))
            x, y = (10, 5) if i else (-4, -3)
            lines.append(f"{path}.jpg,{x},{y},50,60,{points},{i % 11},{valence},{arousal}")
        (root / lists / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


AFEWVA_ACTORS = ("Ann Lee", "Bob", " ann  LEE ", "Cat", "Dan", "Eve", "bob", "Flo")
"""One per clip; two spellings are of persons met before, which leaves six."""


def write_afewva(
    root: Path,
    actors: Sequence[str] = AFEWVA_ACTORS,
    *,
    nested: bool = False,
    suffix: str = ".png",
    seed: int = 0,
) -> Path:
    """AFEW-VA: clip n (from 1) has n + 1 frames, listed backwards, and a ``_cropped`` copy to ignore."""
    random = np.random.default_rng(seed)
    for number, actor in enumerate(actors, start=1):
        name = f"{number:03d}"
        folder = root / f"{(number + 3) // 4:02d}" / name if nested else root / name
        frames = {}
        for i in reversed(range(number + 1)):
            write_picture(folder / f"{i:05d}{suffix}", picture(random, 60, 80, 3))
            valence, arousal = (int(value) for value in random.integers(-10, 11, 2))
            landmarks = random.uniform(5, 55, (68, 2)).round(2).tolist()
            frames[f"{i:05d}"] = {"landmarks": landmarks, "valence": float(valence), "arousal": arousal}
        clip = {"video_id": name, "actor": actor, "frames": frames}
        (folder / f"{name}.json").write_text(json.dumps(clip), encoding="utf-8")
        write_picture(folder.with_name(f"{name}_cropped") / "00000.png", picture(random, 8, 8))
    return root


def write_folder(root: Path, per_class: int = 4, *, seed: int = 0) -> Path:
    """One's own images: a folder per class, of three."""
    random = np.random.default_rng(seed)
    for name in ("anger", "happiness", "sadness"):
        for i in range(per_class):
            write_picture(root / name / f"{i}.jpg", picture(random, 40, 50, 3))
    return root


def write_own_table(root: Path, faces: int = 16, *, seed: int = 0) -> Path:
    """One's own ``faces.csv``: classes, valence and arousal of four subjects in all parts."""
    random = np.random.default_rng(seed)
    lines = ["path,label,valence,arousal,split,subject"]
    for i in range(faces):
        write_picture(root / f"{i}.png", picture(random, 16, 16, 3))
        valence, arousal = random.uniform(-0.7, 0.7, 2).round(2)
        split = ("train", "train", "valid", "test")[i % 4]
        lines.append(f"{i}.png,{FERPLUS_CLASSES[i % 3]},{valence},{arousal},{split},person {i % 4}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
