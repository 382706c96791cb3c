"""What tells of the machine that wrote a file: found, or taken out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affectzoo.hub.privacy import public_training, traces

NAMES = {"user name": "gracehopper", "host name": "atlas", "home folder": "/home/grace"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("taken from /data/fer/x.png", ["path /data/fer/x.png"]),
        ("root=/mnt/disk", ["path /mnt/disk"]),
        ("~/faces", ["path ~/faces"]),
        ("in /home/grace", ["path /home/grace", "home folder /home/grace"]),
        (r"C:\Users\grace\x", [r"path C:\Users\grace\x"]),
        (r"\\server\share", [r"path \\server\share"]),
        ("s3://bucket/faces", ["path s3://bucket/faces"]),
        ("file:///home/grace/x", ["path file:///home/grace/x"]),
        ("trained by gracehopper", ["user name gracehopper"]),
        ("on atlas, twice", ["host name atlas"]),
        ("see https://arxiv.org/abs/1608.01041/v2", []),
        ("recipes/dlp_cnn_s/ferplus.yaml and/or ../x", []),
        ("</b></td> 1/2 valence/arousal, / 255", []),
        ("hf-hub:lab/net", []),
        ("an atlases gracehopper2", []),
        ("{fold}/x/y", []),
    ],
)
def test_private_texts(tmp_path: Path, text: str, found: list[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"notes": ["", text]}))
    assert list(traces(path, NAMES)) == [f"notes[1]: {trace}" for trace in found]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/home/me/My Images/secret/a.jpg: broken", "a.jpg: broken"),
        (r"C:\Users\Jane Doe\faces\a.jpg: broken", "a.jpg: broken"),
        (
            "~/faces/a b.jpg: broken (listed in /data/x y/list.csv, line 3)",
            "a b.jpg: broken (listed in list.csv, line 3)",
        ),
        ("a.jpg: broken", "a.jpg: broken"),
    ],
)
def test_folders_with_blanks_are_left_out(message: str, told: str) -> None:
    assert public_training({"unreadable": [message]})["unreadable"] == [told]
