"""A tiny RECOLA in its two packagings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fakes import write_video
from fakes.affwild import face, write_pts

PEOPLE = ("P16", "P17", "P19", "P21", "P23", "P25")
AVEC = ("train_1", "train_2", "train_10", "dev_1", "dev_2")
HEADER = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3"


def write_ratings(path: Path, rows: int, random: np.random.Generator) -> None:
    """Six raters every 40 ms, with an empty line at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [HEADER]
    for i in range(rows):
        values = ";".join(f"{value:.2f}" for value in random.uniform(-0.9, 0.9, 6))
        lines.append(f"{0.04 * i:g};{values}")
    path.write_text("\n".join([*lines, "", ""]), encoding="utf-8")


def write_arff(path: Path, rows: int, random: np.random.Generator, *, blank: bool = False) -> None:
    """A gold standard; ``blank`` puts empty lines into the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ["@relation gold", "", "@attribute Instance_name string", "@attribute frameTime numeric"]
    header += ["@attribute GoldStandard numeric", *[""] * (3 * blank), "@data", *[""] * blank]
    values = random.uniform(-0.9, 0.9, rows)
    data = [f"'{path.stem}',{0.04 * i:.2f},{value:.3f}" for i, value in enumerate(values)]
    path.write_text("\n".join(header + data) + "\n", encoding="utf-8")


def write_recola(root: Path, *, frames: int = 5, landmarks: bool = True, seed: int = 0) -> Path:
    """RECOLA as its authors ship it: one row more than the videos have frames."""
    random = np.random.default_rng(seed)
    base = root / "RECOLA-Annotation" / "emotional_behaviour"
    for name in PEOPLE:
        for kind in ("arousal", "valence"):
            write_ratings(base / kind / f"{name}.csv", frames + 1, random)
        write_video(root / "RECOLA-Video-recordings" / f"{name}.avi", frames)
        for n in range(1, frames + 1) if landmarks else ():
            write_pts(root / "landmarks" / name / f"{n:05d}.pts", face(random))
    return root


def write_recola_avec(root: Path, *, gold: bool = True, frames: int = 5, seed: int = 0) -> Path:
    """RECOLA as AVEC packed it; every second header has empty lines."""
    random = np.random.default_rng(seed)
    for i, name in enumerate(AVEC):
        for kind in ("arousal", "valence"):
            write_ratings(root / "ratings_individual" / kind / f"{name}.csv", frames + 1, random)
            if gold:
                path = root / "ratings_gold_standard" / kind / f"{name}.arff"
                write_arff(path, frames + 1, random, blank=i % 2 == 1)
        write_video(root / "recordings_video" / f"{name}.avi", frames)
    return root
