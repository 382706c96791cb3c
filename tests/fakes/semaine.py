"""A tiny SEMAINE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fakes import write_video
from fakes.affwild import face, write_pts

SESSIONS = {2: 1, 3: 1, 8: 2, 9: 2, 13: 3, 19: 4, 25: 5}
"""Folder and recording of each session: folders count through, recordings do not."""


def write_trace(path: Path, times: Sequence[float] | None, values: Sequence[float]) -> Path:
    """A trace with times, or of values alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [[value] for value in values] if times is None else zip(times, values, strict=True)
    path.write_text("\n".join(" ".join(f"{x:.4f}" for x in row) for row in rows) + "\n", encoding="utf-8")
    return path


def write_semaine(root: Path, *, frames: int = 41, landmarks: bool = False, seed: int = 0) -> Path:
    """SEMAINE: two raters each, the second one's traces shorter, 50 values and frames a second.

    Traces of the operator and of other dimensions, a transcript and a sound are there to be ignored.
    """
    random = np.random.default_rng(seed)
    for session, recording in SESSIONS.items():
        folder = root / "Sessions" / str(session)
        for rater, length in ((1, frames), (5, frames - 5)):
            times = (np.arange(length) * 0.02).tolist()
            for dimension in ("V", "A"):
                stem = f"R{rater}S{recording}TUCPoD{dimension}"
                write_trace(folder / f"{stem}.txt", times, random.uniform(-1, 1, length).tolist())
            for other in ("An", "Am", "Agre", "P", "Vx"):
                write_trace(folder / f"R{rater}S{recording}TUCPoD{other}.txt", [0.0], [9.0])
            write_trace(folder / f"R{rater}S{recording}TOCPoDV.txt", [0.0], [9.0])
        write_video(folder / f"2008.12.05.16.03.{session}_User Frontal_Poppy.avi", frames, rate=50)
        (folder / "alignedTranscript_1.txt").write_text("0 10 HELLO\n", encoding="utf-8")
        (folder / f"{session}_User HeadMounted_Poppy.wav").touch()
        for n in range(1, frames + 1) if landmarks else ():
            write_pts(root / "landmarks" / str(session) / f"{n:05d}.pts", face(random))
    return root
