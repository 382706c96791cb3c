"""A tiny CREMA-D, laid out as its repository."""

from __future__ import annotations

from pathlib import Path

from fakes import write_video

EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
LETTERS = "ADFHNS"
NAMES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad")


def vote_line(key: int, clip: str, votes: dict[str, int], level: float = 60.0) -> str:
    """A line of the table; every emotion with votes has this level."""
    counts = [votes.get(letter, 0) for letter in LETTERS]
    top = max(counts)
    most = ":".join(letter for letter, count in zip(LETTERS, counts, strict=True) if count == top)
    levels = [level if count else -1 for count in counts]
    told = [f'"{clip}"', sum(counts), top / sum(counts), f'"{most}"', level, *levels, level]
    return ",".join(map(str, [f'"{key}"', *counts, *told, level, *levels, "NA"]))


def header() -> str:
    """The table's first line."""
    norm = [f"mean{name}RespNorm" for name in NAMES]
    names = ["", *LETTERS, "fileName", "numResponses", "agreement", "emoVote", "meanEmoResp"]
    names += [*(f"mean{name}Resp" for name in NAMES), "medianEmoResp", "meanEmoRespNorm", *norm]
    return ",".join(f'"{name}"' for name in [*names, "medianEmoRespNorm"])


def write_cremad(root: Path, actors: int = 6, *, frames: int = 4, suffix: str = ".flv") -> Path:
    """CREMA-D: each actor acts every emotion once; raters of the face agree 7 to 2 with what was acted.

    Those of the voice say neutral. One clip of each of the first two actors has as many votes for disgust as
    for anger.
    """
    lines, clips = [header()], []
    for actor in range(1001, 1001 + actors):
        for letter, emotion in zip(LETTERS, EMOTIONS, strict=True):
            clips.append((f"{actor}_IEO_{emotion}_HI", letter))
    for kind in (1, 2, 3):
        for place, (clip, letter) in enumerate(clips, start=1):
            votes = {"N": 9} if kind == 1 else {letter: 7, "N" if letter != "N" else "S": 2}
            if kind == 2 and letter == "A" and clip < "1003":
                votes = {"A": 4, "D": 4, "F": 1}
            lines.append(vote_line(kind * 100_000 + place, clip, votes))
        lines.append(vote_line(kind * 100_000 + 7443, "ANG_HI_practice", {"A": 9}))
    table = root / "processedResults" / "tabulatedVotes.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join([*lines, ""]), encoding="utf-8")
    for clip, _ in clips:
        write_video(root / "VideoFlash" / f"{clip}{suffix}", frames)
    (root / "VideoDemographics.csv").write_text('"ActorID","Age"\n1001,51\n', encoding="utf-8")
    (root / "AudioWAV").mkdir()
    (root / "LICENSE.txt").write_text("ODbL", encoding="utf-8")
    return root
