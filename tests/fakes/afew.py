"""Tiny AFEW and SFEW, laid out as the organisers ship them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from fakes import picture, write_picture, write_video

AFEW_FOLDERS = "Angry Disgust Fear Happy Neutral Sad Surprise".split()


def write_afew(
    root: Path,
    per_class: int = 1,
    *,
    faces: Literal["package", "by class", "none"] = "package",
    videos: bool = True,
    names: tuple[str, str, str] = ("Train_AFEW", "Val_AFEW", "Test_AFEW"),
    seed: int = 0,
) -> Path:
    """AFEW: the same clip numbers in both parts, videos of 4 frames, face crops of frames 1, 2 and 4.

    ``by class`` puts the crops into the classes' folders. The test part has two clips.
    """
    random = np.random.default_rng(seed)
    for part, package in zip(names[:2], ("", "_Val"), strict=True):
        for i in range(7 * per_class):
            clip, label = f"{46280 + 40 * i:09d}", AFEW_FOLDERS[i % 7]
            if videos:
                write_video(root / part / label / f"{clip}.avi", 4)
            place = root / part / f"AlignedFaces_LBPTOP_Points{package}" / "Faces"
            place = root / part / label if faces == "by class" else place
            for frame in (1, 2, 4) if faces != "none" else ():
                write_picture(place / clip / f"{frame:03d}.jpg", picture(random, 16, 16, 3))
        (root / part / "Labels.xml").touch()
    for i in range(2):
        write_video(root / names[2] / f"{i:09d}.avi", 4)
    return root


def write_sfew(
    root: Path,
    kind: Literal["aligned", "original"] = "aligned",
    per_class: int = 2,
    *,
    nested: bool = False,
    suffix: str = ".png",
    seed: int = 0,
) -> Path:
    """SFEW 2.0: titles with underscores, three test images; ``nested``: crops below Train, Val, Test."""
    random = np.random.default_rng(seed)
    for part in ("Train", "Val", "Test"):
        top = root / part
        if kind == "aligned":
            crops = f"{part}_Aligned_Faces" + ("_new" if part == "Val" else "")
            top = top / crops if nested else root / crops
        for i in range(7 * per_class if part != "Test" else 3):
            name = f"Some_Movie_{1234560 + i:09d}_{12 + i:08d}{suffix}"
            folder = top / AFEW_FOLDERS[i % 7] if part != "Test" else top
            write_picture(folder / name, picture(random, 16, 16, 3))
    return root
