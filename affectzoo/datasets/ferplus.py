"""FER+: FER-2013's images with ten annotators' votes each.

Barsoum, Zhang, Canton Ferrer, Zhang, "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016. Labels: MIT license. Images: FER-2013's terms.

Layout (what the authors' script writes)::

    root/
      FER2013Train/label.csv   fer0000000.png ...
      FER2013Valid/label.csv   ...
      FER2013Test/label.csv    ...

A line of ``label.csv`` (no header): image, box, then the votes for neutral, happiness, surprise,
sadness, anger, disgust, fear, contempt, unknown and not-a-face.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from affectzoo.console import counted
from affectzoo.datasets.fields import number
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.reading import reader
from affectzoo.datasets.votes import VoteRule, label_distribution, place
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames
from affectzoo.files.text import csv_rows
from affectzoo.labels import CODES, SPACES

FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
LABELS = SPACES["ferplus8"]


@reader
def read_ferplus(root: Path, rule: VoteRule = "crossentropy", *, circumplex: bool = False) -> FaceIndex:
    """Index FER+.

    Args:
        root: The folder that holds ``FER2013Train`` and its siblings, or its parent when that
            calls it ``data``. Parts that are not there are excluded.
        rule: How votes become training targets; validation and test always use ``majority``, as
            in the authors' code.
        circumplex: Give each face the valence and arousal that its votes stand for, see ``votes.place``; FER+
            itself has none.

    Raises:
        DataNotFoundError: No part is there, or a part has labels but no images.
        DataError: A line of ``label.csv`` is not as described; file and line are named.
    """
    base = root / "data" if (root / "data" / FOLDERS["train"]).is_dir() else root
    lists = {split: base / folder / "label.csv" for split, folder in FOLDERS.items()}
    if not any(path.is_file() for path in lists.values()):
        expected = [f"{folder}/label.csv" for folder in FOLDERS.values()]
        raise DataNotFoundError("ferplus", root, expected)
    left_out: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for split, path in lists.items():
        if path.is_file():
            with one_row():
                rows += _read_list(path, split, rule if split == "train" else "majority", left_out)
    if circumplex:
        for row in rows:
            row["valence"], row["arousal"] = place(row["votes"], LABELS.names) or (None, None)
    return FaceIndex.from_rows("ferplus", base, LABELS, rows, left_out)


def _read_list(path: Path, split: str, rule: VoteRule, left_out: Counter[str]) -> list[dict[str, Any]]:
    folder = path.parent
    if not any(name.lower().endswith(".png") for name in filenames(folder)):
        name = "ferplus (labels are there, but no images)"
        raise DataNotFoundError(name, folder, ["fer0000000.png"])
    rows = []
    columns = len(CODES["ferplus"])
    for _, source, fields in csv_rows(path):
        with one_row():
            if len(fields) != columns + 2:
                raise DataError(
                    f"{source}: {counted(len(fields), 'field')}, expected image, box and {columns} votes"
                )
            name = fields[0]
            if not name:
                left_out["no image name"] += 1
                continue
            votes = np.array([int(number(vote, source, "a vote", 0, whole=True)) for vote in fields[2:]])
            target = label_distribution(votes, rule)
            if target is None:
                left_out[f"{split}: discarded by the {rule} rule"] += 1
                continue
            rows.append(
                {
                    "path": f"{folder.name}/{name}",
                    "split": split,
                    "label": LABELS.names[int(target.argmax())],
                    "target": target.astype(np.float32),
                    "votes": votes,
                    "source": source,
                }
            )
    return rows
