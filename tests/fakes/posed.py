"""Tiny CK+, JAFFE and MMI, laid out as their authors ship them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fakes import picture, write_picture, write_video

CKPLUS_SUBJECTS = 12
JAFFE_SUBJECTS = "KA KL KM KR MK NA NM TM UY YM".split()
JAFFE_EXPRESSIONS = "AN DI FE HA NE SA SU".split()


def write_ckplus(
    root: Path,
    subjects: int = CKPLUS_SUBJECTS,
    *,
    landmarks: bool = True,
    top: str = "",
    folders: tuple[str, str, str] = ("cohn-kanade-images", "Emotion", "Landmarks"),
    seed: int = 0,
) -> Path:
    """CK+: each subject has sequences 001 and 002 with codes 1..7 in turn, and 003 without a label.

    Sequence 001 has images 1 to 5, 002 has 4 to 9. ``top`` is a folder between the archive's and the
    subjects'. There are stray hidden files.
    """
    random = np.random.default_rng(seed)
    pictures, emotions, points = (root / name / top for name in folders)
    for i in range(subjects):
        subject = f"S{5 * i + 5:03d}"
        for sequence, first, last in (("001", 1, 5), ("002", 4, 9), ("003", 1, 4)):
            for frame in range(first, last + 1):
                stem = f"{subject}_{sequence}_{frame:08d}"
                write_picture(pictures / subject / sequence / f"{stem}.png", picture(random, 49, 64))
                if landmarks:
                    path = points / subject / sequence / f"{stem}_landmarks.txt"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    np.savetxt(path, random.uniform(5, 40, (68, 2)), fmt="   %.7e")
            (pictures / subject / sequence / ".DS_Store").touch()
            (emotions / subject / sequence).mkdir(parents=True)
            if sequence != "003":
                code = (2 * i + int(sequence) - 1) % 7 + 1
                name = f"{subject}_{sequence}_{last:08d}_emotion.txt"
                path = emotions / subject / sequence / name
                path.write_text(f"   {code:.7e}\n", encoding="utf-8")
        (pictures / subject / ".DS_Store").touch()
    (pictures / ".DS_Store").touch()
    return root


def write_jaffe(root: Path, per_class: int = 1, *, suffix: str = ".tiff", seed: int = 0) -> Path:
    """JAFFE: ten subjects with every expression, and the readme."""
    random = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    number = 0
    for subject in JAFFE_SUBJECTS:
        for i in range(7 * per_class):
            number += 1
            name = f"{subject}.{JAFFE_EXPRESSIONS[i % 7]}{i // 7 + 1}.{number}{suffix}"
            write_picture(root / name, picture(random, 16, 16))
    (root / "README_FIRST.txt").write_text("ratings", encoding="utf-8")
    (root / ".DS_Store").touch()
    return root


def write_session(
    sessions: Path,
    number: int,
    stem: str,
    emotion: str | None = "1",
    *,
    view: str | None = "0",
    frames: int = 9,
) -> Path:
    """One session of MMI; without ``view`` there is no session.xml, without ``emotion`` no such tag."""
    folder = sessions / str(number)
    write_video(folder / f"{stem}.avi", frames)
    tag = "" if emotion is None else f'<Metatag Name="Emotion" Value="{emotion}"/>'
    text = f'<Annotation><Metatag Name="Coder" Value="7"/>{tag}</Annotation>'
    (folder / f"{stem}.xml").write_text(text, encoding="utf-8")
    (folder / f"{stem}-oao_aucs.xml").write_text('<A><ActionUnit Number="12"/></A>', encoding="utf-8")
    if view is not None:
        session = f'<session sessionId="{number}"><track view="{view}"/><track type="other"/></session>'
        (folder / "session.xml").write_text(session, encoding="utf-8")
    return folder


def write_mmi(root: Path, subjects: int = 10) -> Path:
    """MMI: subject n (from 1) has six videos of 9 frames, one per emotion; sessions count on."""
    sessions = root / "mmi-facial-expression-database_download_2020-01-01_00_00_00" / "Sessions"
    for i in range(6 * subjects):
        write_session(sessions, i + 1, f"S{i // 6 + 1:03d}-{i % 6 + 1:03d}", str(i % 6 + 1))
    return root
