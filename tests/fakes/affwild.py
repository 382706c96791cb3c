"""Tiny Aff-Wild and Aff-Wild2; and tiny videos and ``.pts`` files, for other filmed data sets too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fakes import picture, write_picture, write_video

SIDE = 32
AFFWILD_NAMES = ("105", "106_left", "106_right", "107", "108", "109")
"""Five videos; two people are annotated in the second."""
AFFWILD2_NAMES = {"train": ("1-30-1280x720", "10-60_left", "10-60_right"), "valid": ("108", "115")}


def write_pts(path: Path, points: Sequence[Sequence[float]]) -> Path:
    """Points as Menpo writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f"{x:.2f} {y:.2f}" for x, y in points)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{body}\n}}\n", encoding="utf-8")
    return path


def face(random: np.random.Generator) -> list[list[float]]:
    """68 points inside an image of 32 pixels."""
    return random.uniform(4, 28, (68, 2)).round(2).tolist()  # type: ignore[no-any-return]


def _numbers(random: np.random.Generator, count: int) -> list[str]:
    return [f"{value:.3f}" for value in random.uniform(-1, 1, count)]


def write_affwild(
    root: Path,
    names: Sequence[str] = AFFWILD_NAMES,
    *,
    frames: int = 6,
    labelled_test: bool = False,
    seed: int = 0,
) -> Path:
    """Aff-Wild: each video of ``names`` with boxes and landmarks; ``200`` is a test video."""
    random = np.random.default_rng(seed)
    for part, members in (("train", names), ("test", ("200",))):
        for name in members:
            video = root / "videos" / part / f"{name.partition('_')[0]}.avi"
            if not video.exists():
                write_video(video, frames)
            if part == "test" and not labelled_test:
                continue
            for kind in ("valence", "arousal"):
                path = root / "annotations" / part / kind / f"{name}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("\n".join(_numbers(random, frames)) + "\n", encoding="utf-8")
            for n in range(1, frames + 1):
                corners = [[2, 3], [2, 28 + n / 4], [30, 28 + n / 4], [30, 3]]
                write_pts(root / "bboxes" / part / name / f"{n}.pts", corners)
                write_pts(root / "landmarks" / part / name / f"{n}.pts", face(random))
    return root


def write_affwild2(
    root: Path,
    place: str = "VA_Set",
    training: str = "Train_Set",
    *,
    pictures: str = "cropped_aligned",
    frames: int = 4,
    seed: int = 0,
) -> Path:
    """Aff-Wild2: every name has the header, ``frames`` lines and a crop for each; nothing is missing."""
    random = np.random.default_rng(seed)
    for part, folder in (("train", training), ("valid", "Validation_Set")):
        for name in AFFWILD2_NAMES[part]:
            values = zip(_numbers(random, frames), _numbers(random, frames), strict=True)
            path = root / place / folder / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = ["valence,arousal", *(",".join(pair) for pair in values)]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            for n in range(1, frames + 1):
                write_picture(root / pictures / name / f"{n:05d}.jpg", picture(random, 16, 16, 3))
    return root
