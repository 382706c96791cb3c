"""Every reader, given damaged files, answers with a valid index or an ``AffectZooError``, and soon.

The default suite tries a few mutants of each data set, always the same. More, other ones each time, with::

    AFFECTZOO_FUZZ=50000 python -m pytest tests/fuzz
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import (
    write_afewva,
    write_affectnet_csv,
    write_affectnet_npy,
    write_fer2013_csv,
    write_fer2013_folders,
    write_ferplus,
    write_folder,
    write_own_table,
    write_picture,
    write_rafdb,
)
from fakes.afew import write_afew, write_sfew
from fakes.affwild import write_affwild, write_affwild2
from fakes.cremad import write_cremad
from fakes.expw import write_expw
from fakes.posed import write_ckplus, write_jaffe, write_mmi
from fakes.rafdb_compound import write_distributions, write_rafdb_compound
from fakes.recola import write_recola, write_recola_avec
from fakes.semaine import write_semaine
from hypothesis import given
from hypothesis import strategies as st

from affectzoo.datasets.afew import read_afew
from affectzoo.datasets.afewva import read_afewva
from affectzoo.datasets.affectnet import read_affectnet
from affectzoo.datasets.affwild import read_affwild
from affectzoo.datasets.affwild2 import read_affwild2
from affectzoo.datasets.ckplus import read_ckplus
from affectzoo.datasets.cremad import read_cremad
from affectzoo.datasets.expw import read_expw
from affectzoo.datasets.fer2013 import read_fer2013
from affectzoo.datasets.ferplus import read_ferplus
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.index import COLUMNS, SPLITS, FaceIndex
from affectzoo.datasets.jaffe import read_jaffe
from affectzoo.datasets.mmi import read_mmi
from affectzoo.datasets.prepared import read_prepared
from affectzoo.datasets.rafdb import read_rafdb
from affectzoo.datasets.recola import read_recola
from affectzoo.datasets.semaine import read_semaine
from affectzoo.datasets.sfew import read_sfew
from affectzoo.datasets.table import read_table
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import AffectZooError
from affectzoo.files.faults import all_faults
from fuzz.mutation import MEDIA, Written, fuzzed, mutate, no_hang, restored, written_once

FEW = 8
"""Mutants of each data set in the default suite."""

Target = tuple[Callable[[Path], object], Callable[[Path], FaceIndex]]


def write_repacked(root: Path) -> Path:
    """RAF-DB as it is passed on: folders by code, and lists."""
    for part, width in (("train", 5), ("test", 4)):
        lines = ["image,label"]
        for code in range(1, 8):
            name = f"{part}_{code:0{width}}_aligned.jpg"
            write_picture(root / "DATASET" / part / str(code) / name, np.zeros((8, 8, 3), np.uint8))
            lines.append(f"{name},{code}")
        (root / f"{part}_labels.csv").write_text("\n".join(lines))
    return root


def write_prepared(root: Path) -> Path:
    prepare("table", write_own_table(root.with_name("table")), root, chunk=4, workers=0)
    return root


def with_distributions(root: Path) -> Path:
    write_distributions(write_rafdb(root))
    return root


TARGETS: dict[str, Target] = {
    "afew": (write_afew, read_afew),
    "afew_video": (write_afew, lambda root: read_afew(root, "video")),
    "afewva": (write_afewva, read_afewva),
    "affectnet_csv": (write_affectnet_csv, read_affectnet),
    "affectnet_npy": (write_affectnet_npy, read_affectnet),
    "affwild": (write_affwild, read_affwild),
    "affwild2": (write_affwild2, read_affwild2),
    "ckplus": (lambda root: write_ckplus(root, 3), lambda root: read_ckplus(root, folds=2)),
    "cremad": (lambda root: write_cremad(root, 2), lambda root: read_cremad(root, folds=2, target="votes")),
    "expw": (write_expw, read_expw),
    "fer2013": (write_fer2013_csv, read_fer2013),
    "fer2013_folders": (write_fer2013_folders, read_fer2013),
    "ferplus": (write_ferplus, read_ferplus),
    "folder": (write_folder, read_folder),
    "jaffe": (write_jaffe, read_jaffe),
    "mmi": (lambda root: write_mmi(root, 2), lambda root: read_mmi(root, folds=2)),
    "prepared": (write_prepared, lambda root: read_prepared(root, "Table", {})),
    "rafdb": (write_rafdb, read_rafdb),
    "rafdb_compound": (write_rafdb_compound, lambda root: read_rafdb(root, part="compound")),
    "rafdb_distributions": (with_distributions, lambda root: read_rafdb(root, target="distribution")),
    "rafdb_original": (write_rafdb, lambda root: read_rafdb(root, "original")),
    "rafdb_repacked": (write_repacked, read_rafdb),
    "recola": (write_recola, read_recola),
    "recola_avec": (write_recola_avec, read_recola),
    "semaine": (write_semaine, read_semaine),
    "sfew": (write_sfew, read_sfew),
    "table": (write_own_table, read_table),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    def write(name: str, root: Path) -> list[Path]:
        root.rmdir()  # writers make it
        TARGETS[name][0](root)
        return sorted(root.rglob("*"))

    return written_once(tmp_path_factory, write)


@pytest.mark.parametrize("name", TARGETS)
@fuzzed(FEW, 1 / len(TARGETS))
@given(data=st.data())
def test_damaged_files_are_told_or_read(name: str, data: st.DataObject, written: Written) -> None:
    root, paths = written(name)
    media = [path for path in paths if MEDIA.search(path.name) or path.is_dir()]
    told = [path for path in paths if path not in set(media)]
    rarely = told and media and not data.draw(st.integers(0, 7))
    path = data.draw(st.sampled_from(media if rarely or not told else told))
    with restored(root, path), no_hang(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mutate(path, data.draw)
        check_reading(lambda: TARGETS[name][1](root))
        with all_faults():
            check_reading(lambda: TARGETS[name][1](root))


def check_reading(read: Callable[[], FaceIndex]) -> None:
    """Read, and see that what comes is an index that training and evaluation can rely on."""
    try:
        index = read()
    except AffectZooError as error:
        assert str(error).strip()
        return
    table = index.table
    assert tuple(table.columns) == COLUMNS and len(table)
    assert set(table["split"]) <= set(SPLITS)
    names = () if index.labels is None else index.labels.names
    assert all(label is None or label in names for label in table["label"])
    for row in table.to_dict("records"):
        assert isinstance(row["path"], str) and row["path"] and isinstance(row["source"], str)
        assert row["frame"] is None or (isinstance(row["frame"], int) and 0 <= row["frame"] < 2**31)
        for value in (row["valence"], row["arousal"]):
            assert value is None or -1 <= value <= 1
        if row["target"] is not None:
            assert row["target"].shape == (len(names),) and math.isclose(row["target"].sum(), 1, rel_tol=1e-5)
        if row["box"] is not None:
            assert len(row["box"]) == 4 and all(abs(side) <= 2e6 for side in row["box"])
        if row["landmarks"] is not None:
            assert row["landmarks"].dtype == np.float32 and row["landmarks"].shape[1:] == (2,)
            assert (abs(row["landmarks"]) <= 1e6).all()
