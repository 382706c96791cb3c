"""Holding a validation part out of the training part, never with the same people or footage on both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import EmptySplitError, OptionError
from affectzoo.files.images import SUFFIXES as IMAGES
from affectzoo.files.videos import SUFFIXES as VIDEOS

LEVELS = ("subject", "clip", "image")
"""What ties faces together, the strongest first; a face tied to nothing stands for itself."""


def check_fraction(fraction: float) -> None:
    """Raise ``OptionError`` unless a share lies between 0 and 1."""
    if not 0 < fraction < 1:
        raise OptionError(f"data.valid_fraction is {fraction}, expected a share between 0 and 1")


def hold_out(index: FaceIndex, fraction: float, seed: int) -> tuple[FaceIndex, str]:
    """Move a share of the training part to a validation part.

    Faces that share a subject, a clip (or video) or an image, directly or through others, form a group
    and stay together. Groups with a known subject are drawn among themselves; all others are drawn class
    by class, by the commonest class of their faces. Each class (and the subjects) gives at least one
    group and keeps one, where there are two. Copies of an image in files of different names are not
    recognized here; ``affectzoo data check`` lists them.

    Args:
        index: Faces with a ``train`` part; the other parts stay as they are.
        fraction: The share of groups, in (0, 1).
        seed: Seed of the draw.

    Returns:
        The index with its validation part, and a line that says what was held out.

    Raises:
        OptionError: The share is out of range.
        EmptySplitError: All training faces belong together, so that none can be held out.
    """
    check_fraction(fraction)
    random = np.random.default_rng(seed)
    table = index.table.copy()
    training = table[table["split"] == "train"]
    keys = _keys(training)
    group = _connected(keys)
    groups = _describe(keys, group, training["label"])
    held: list[int] = []
    for _, members in groups.groupby(["by_subject", "label"], sort=True, dropna=False):
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held += random.permutation(members.sort_values("order").index.to_numpy())[:count].tolist()
    chosen = group.isin(held)
    if not chosen.any():
        found = ", ".join(f"{len(names)} {level}(s)" for level, names in groups.groupby("level"))
        raise EmptySplitError(
            f"{index.dataset}: no validation part can be held out of {len(training)} training faces "
            f"({found}); give the data a validation part of its own"
        )
    table.loc[training.index[chosen], "split"] = "valid"
    return replace(index, table=table), _told(keys, group, groups, chosen, seed)


def _keys(table: pd.DataFrame) -> pd.DataFrame:
    """The subject, clip and image of each face as text, missing where unknown."""
    file = table["original"].where(table["original"].notna(), table["path"])
    file = file.str.replace(r", frame \d+$", "", regex=True)
    ending = file.map(lambda name: Path(name).suffix.lower())
    clip = table["clip"].where(table["clip"].notna(), file.where(ending.isin(VIDEOS)))
    image = file.where(ending.isin(IMAGES))  # a table of pixels is neither
    keys = pd.DataFrame({"subject": table["subject"], "clip": clip, "image": image}, dtype=object)
    texts: pd.DataFrame = keys.apply(lambda column: column.where(column.isna(), column.astype(str)))
    return texts


def _connected(keys: pd.DataFrame) -> pd.Series[int]:
    """Number the groups: faces that share a key have one number, that of their first face."""
    group = pd.Series(np.arange(len(keys)), keys.index)
    while True:
        before = group
        for level in LEVELS:
            group = group.groupby(keys[level]).transform("min").fillna(group).astype(int)
        if group.equals(before):
            return group


def _describe(keys: pd.DataFrame, group: pd.Series[int], labels: pd.Series[str]) -> pd.DataFrame:
    """One row per group: its level, its commonest class unless subjects are known, its place in order."""
    members = keys.groupby(group, sort=True)
    names, sizes = members[list(LEVELS)].first(), members.size()
    by_subject = names["subject"].notna()
    tied = [by_subject, names["clip"].notna(), names["image"].notna() & (sizes > 1)]
    counts = pd.DataFrame({"group": group, "label": labels}).value_counts().rename("count").reset_index()
    commonest = counts.sort_values(["count", "label"], ascending=[False, True]).drop_duplicates("group")
    label = commonest.set_index("group")["label"].reindex(sizes.index)
    subject, clip = (
        keys[level].dropna().groupby(group).min().reindex(sizes.index) for level in ("subject", "clip")
    )
    named = subject.where(by_subject, clip)
    place = pd.Series(np.arange(len(sizes)), sizes.index)
    order = place.where(named.isna(), named.rank(method="first"))
    return pd.DataFrame(
        {
            "level": np.select(tied, LEVELS, "face"),
            "by_subject": ~by_subject,  # subjects first
            "label": label.where(~by_subject, None),
            "order": order,
        }
    )


def _told(
    keys: pd.DataFrame, group: pd.Series[int], groups: pd.DataFrame, chosen: pd.Series[bool], seed: int
) -> str:
    level = group.map(groups["level"])
    parts = []
    for name in (*LEVELS, "face"):
        of = level == name
        if of.any() and not (name == "face" and of.all()):  # the number of all faces is said anyway
            what = keys[name][of] if name in LEVELS else pd.Series(of.index, of.index)[of]
            parts.append(f"{what[chosen].nunique():,} of {what.nunique():,} {name}s")
    return (
        f"held out for validation: {chosen.sum():,} of {len(chosen):,} training faces, "
        f"drawn by {' and '.join(dict.fromkeys(level))} ({', '.join([*parts, f'seed {seed}'])})"
    )
