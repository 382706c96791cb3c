"""Files that commands read beside data sets, damaged: what comes is sound, or an ``AffectZooError``."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import write_own_table
from fakes.films import write_film
from fakes.records import make_record
from hypothesis import given
from hypothesis import strategies as st

from affectzoo.benchmark.comparison import compare
from affectzoo.benchmark.external import read_predictions
from affectzoo.datasets.ids import split_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.prepared import read_prepared
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.crossvalidation import join_folds
from affectzoo.evaluation.predictions import read_table, values_of
from affectzoo.evaluation.protocol import _total_hash, read_ids
from affectzoo.evaluation.protocol import compare as compare_ids
from affectzoo.files.video_frames import VideoFrames
from affectzoo.files.videos import Video
from affectzoo.inference.unfinished import UnfinishedRun
from affectzoo.labels import LabelSpace
from affectzoo.training import crossvalidation
from affectzoo.training.runs import claim
from affectzoo.zoo.importing.placing import parse_mapping
from fuzz.mutation import Written, fuzzed, mutate, no_hang, restored, written_once

FEW = 12
"""Mutants of each kind of file in the default suite."""

LABELS = ("anger", "happiness", "neutral")
CLASSES = LabelSpace(LABELS)
BOX = (4.0, 4.0, 40.0, 40.0)


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        write: Writes sound files into a folder, and returns those to damage.
        use: Does all that is done with a file, in its folder, and checks what comes of it.
    """

    write: Callable[[Path], list[Path]]
    use: Callable[[Path, Path], None]


# Predictions of other systems


def faces() -> FaceIndex:
    rows = [
        {"path": f"Test/{i}.png", "label": LABELS[i % 3], "valence": i / 9, "arousal": -i / 9}
        for i in range(6)
    ]
    rows += [{"path": "film.avi", "frame": i, "box": BOX, "label": "anger"} for i in range(3)]
    return FaceIndex.from_rows("some", Path("/data/some"), CLASSES, rows)


INDEX = faces()


def told(form: str) -> list[dict[str, Any]]:
    shares = {"p_anger": 0.25, "p_happiness": 0.5, "p_neutral": 0.25}
    if form == "shares":
        return [{"id": f"some/Test/{i}.png", **shares} for i in range(6)]
    if form == "frames":
        box = dict(zip(("x0", "y0", "x1", "y1"), BOX, strict=True))
        return [
            {"file": "film.avi", "frame": i, **box, "s_anger": -3.5, "s_happiness": 1, "s_neutral": 2}
            for i in range(3)
        ]
    return [
        {"path": f"Test/{i}.png", "label": LABELS[i % 3], "valence": 0.25, "arousal": -0.5, "error": None}
        for i in range(6)
    ]


def write_predictions(ending: str) -> Callable[[Path], list[Path]]:
    def write(root: Path) -> list[Path]:
        paths = [root / f"{form}{ending}" for form in ("shares", "frames", "named")]
        for path in paths:
            rows = told(path.stem)
            if ending == ".csv":
                pd.DataFrame(rows).to_csv(path, index=False)
            elif ending == ".parquet":
                pd.DataFrame(rows).to_parquet(path)
            elif ending == ".json":
                path.write_text(json.dumps(rows))
            else:
                path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return paths

    return write


def use_predictions(root: Path, path: Path) -> None:
    found = read_predictions(path, INDEX, LABELS)
    assert found.missing.shape == (len(INDEX),) and not found.missing.all()
    if found.scores is not None:
        known = found.scores[~np.isnan(found.scores).any(axis=1)]
        assert found.scores.shape == (len(INDEX), 3) and np.isfinite(known).all()
        if found.kind != "decisions":
            assert ((known >= 0) & (known <= 1)).all() and np.allclose(known.sum(axis=1), 1, atol=2e-3)
    if found.va is not None:
        assert found.va.shape == (len(INDEX), 2) and not (np.abs(found.va) > 2).any()


# Tables of predictions beside records


def write_tables(root: Path) -> list[Path]:
    shares = {"p_anger": 0.25, "p_happiness": 0.5, "p_neutral": 0.25}
    both = {"true_label": "anger", "label": "happiness", **shares, "true_valence": 0.5, "valence": 0.25}
    both |= {"true_arousal": -0.5, "arousal": 0.125}
    rows = [
        {
            "id": f"some/{i}.png",
            "fold": "",
            "file": f"{i}.png",
            "subject": f"s{i % 3}",
            "clip": "c",
            "frame": i,
            **both,
        }
        for i in range(6)
    ]
    pd.DataFrame(rows).to_csv(root / "told.csv", index=False)
    pd.DataFrame(rows).drop(columns=list(shares)).to_csv(root / "named.csv", index=False)
    shutil.copy(root / "told.csv", root / "sound.csv")
    return [root / "told.csv", root / "named.csv"]


def use_table(root: Path, path: Path) -> None:
    table = read_table(path)
    assert table["id"].notna().all()
    va, _ = values_of(table)
    assert va is None or not np.isinf(va).any()
    for metric in ("accuracy", "ccc"):
        result = compare(read_table(root / "sound.csv"), table, metric)
        assert not math.isinf(result.difference) and result.verdict
    model = {"arch": "dlp_cnn_s", "sha256": ["0" * 64], "training": {}}
    record = make_record(
        model=model, options={"clip_rule": "vote", "scale": 1.0}, protocol={"truth": "0" * 64}
    )
    other = table.assign(id="other " + table["id"].astype(str))
    joined, _ = join_folds(
        [record, record], [read_table(root / "sound.csv"), other], name="n", spec="s", command=""
    )
    for figure in joined["metrics"].values():
        assert not math.isinf(figure["value"] or 0)


# Runs that go on


def write_unfinished(root: Path) -> list[Path]:
    with UnfinishedRun(root / "faces.csv", {"model": "some"}, resume=False) as run:
        for name in ("a.png", "b.png", "c.png"):
            run.add(name, [ROW | {"file": name}])
    return [run.path]


ROW = {
    "file": "",
    "x0": 1.0,
    "y0": 1.0,
    "x1": 9.5,
    "y1": 9.5,
    "score": 0.75,
    "label": "anger",
    "p_anger": 0.875,
    "error": None,
}


def use_unfinished(root: Path, path: Path) -> None:
    with UnfinishedRun(root / "faces.csv", {"model": "some"}, resume=True) as run:
        rows = list(run.rows())
        assert len(rows) == len(run.done)
        assert all(row == ROW | {"file": row["file"]} and row["file"] in run.done for row in rows)
        run.finish(list(ROW))


def write_plan(root: Path) -> list[Path]:
    (root / "recipe.yaml").write_text("model: {}\n")
    plan = {"config": "model: {}", "options": ["--data.root", "faces"], "folds": 5}
    (root / "plan.json").write_text(json.dumps(plan))
    return [root / "plan.json", root / "recipe.yaml"]


def use_plan(root: Path, path: Path) -> None:
    before = crossvalidation._fold
    crossvalidation._fold = stop  # type: ignore[assignment]
    try:
        crossvalidation.cross_validate(root / "recipe.yaml", ["--data.root", "faces"], 5, root)
    finally:
        crossvalidation._fold = before


def stop(*given: Any) -> None:
    raise AffectZooError("the plan was accepted")


def write_claimed(root: Path) -> list[Path]:
    return [claim(root / "run", ["fit"]).folder / "run.json"]


def use_claimed(root: Path, path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_JOB_ID", "7")
        claim(root / "run", ["fit"])


def write_preparation(root: Path) -> list[Path]:
    out = root / "prepared"
    prepare("table", write_own_table(root / "table"), out, chunk=4, workers=0)
    read_prepared(out, "Table", {}).table.to_pickle(root / "sound.pkl")
    return sorted(path for path in out.rglob("*") if path.suffix in (".json", ".parquet"))


def use_preparation(root: Path, path: Path) -> None:
    prepare("table", root / "table", root / "prepared", chunk=4, workers=0)
    index = read_prepared(root / "prepared", "Table", {})
    told = [name for name in index.table if name not in ("pixels", "target", "votes", "landmarks")]
    pd.testing.assert_frame_equal(index.table[told], pd.read_pickle(root / "sound.pkl")[told])


# Protocols' faces, rules of imports, images


def write_ids(root: Path) -> list[Path]:
    folds = []
    for fold in range(2):
        parts = {}
        for name in ("train", "valid", "test"):
            ids = [f"afewva/{fold}/{name}#{i}" for i in range(3)]
            parts[name] = {
                "faces": 3,
                "labelled": 3,
                "clips": 1,
                "classes": {},
                "hash": split_hash(ids),
                "subjects": ["a"],
                "ids": ids,
            }
        folds.append({"fold": fold, "parts": parts})
    frozen = {
        "protocol": "afewva_5fold",
        "data": {},
        "affectzoo": "1",
        "hash": "",
        "folds_hash": None,
        "folds": folds,
    }
    frozen["hash"] = _total_hash(folds)
    (root / "ids.json").write_text(json.dumps(frozen))
    shutil.copy(root / "ids.json", root / "sound.json")
    return [root / "ids.json"]


def use_ids(root: Path, path: Path) -> None:
    sound = read_ids(root / "sound.json")
    results = compare_ids(read_ids(path), sound)
    assert all(result["equal"] for result in results)


def write_mapping(root: Path) -> list[Path]:
    (root / "names.yaml").write_text("conv0: trunk.conv.0\nfc.weight: null\n'since 2001': x\n")
    return [root / "names.yaml"]


def use_mapping(root: Path, path: Path) -> None:
    for old, new in parse_mapping([str(path)]).items():
        assert isinstance(old, str) and isinstance(new, str | None)


# Videos


def write_films(root: Path) -> list[Path]:
    """Write them without their endings, by which they would not be damaged inside."""
    random = np.random.default_rng(0)
    images = np.kron(random.integers(0, 255, (8, 6, 8, 3), dtype=np.uint8), np.ones((1, 8, 8, 1), np.uint8))
    films = {"mp4": "libx264", "mkv": "mpeg4", "avi": "mjpeg"}
    return [
        write_film(root / f"film.{ending}", images, codec=codec).rename(root / f"film_{ending}")
        for ending, codec in films.items()
    ]


def use_film(root: Path, path: Path) -> None:
    film = VideoFrames(path)
    assert film.total is None or film.total > 0
    for place, frame in enumerate(film):
        assert frame.number == place and 0 <= frame.time < math.inf
        assert frame.image.dtype == np.uint8 and frame.image.ndim == 3 and frame.image.shape[2] == 3
    assert film.damage is None or path.name in film.damage
    assert Video(path).read(0).ndim == 3


TARGETS: dict[str, Target] = {
    **({"films": Target(write_films, use_film)} if find_spec("av") else {}),
    **{
        f"predictions{e}": Target(write_predictions(e), use_predictions)
        for e in (".csv", ".json", ".jsonl", ".parquet")
    },
    "tables": Target(write_tables, use_table),
    "unfinished": Target(write_unfinished, use_unfinished),
    "plan": Target(write_plan, use_plan),
    "claimed": Target(write_claimed, use_claimed),
    "preparation": Target(write_preparation, use_preparation),
    "ids": Target(write_ids, use_ids),
    "mapping": Target(write_mapping, use_mapping),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written_once(tmp_path_factory, lambda name, root: TARGETS[name].write(root))


@pytest.mark.parametrize("name", TARGETS)
@fuzzed(FEW, 1 / 10)
@given(data=st.data())
def test_damaged_files_are_told_or_used(name: str, data: st.DataObject, written: Written) -> None:
    root, paths = written(name)
    path = data.draw(st.sampled_from(paths))
    with restored(root, root), no_hang(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mutate(path, data.draw)
        try:
            TARGETS[name].use(root, path)
        except AffectZooError as error:
            assert str(error).strip() and len(str(error)) < 5000
