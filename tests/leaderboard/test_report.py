"""From records to pages: what stays where predictions are not there, records from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes.records import make_record, make_value_record

from affectzoo.cli import main
from affectzoo.errors import AffectZooError
from affectzoo.leaderboard.report import gather, read_figures, report

NAMES = ("valence", "arousal")


def write(folder: Path, *records: dict[str, Any]) -> list[Path]:
    """Write records into a benchmark's folder."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    paths = [folder / "records" / f"{record['key']}.json" for record in records]
    for path, record in zip(paths, records, strict=True):
        path.write_text(json.dumps(record), encoding="utf-8")
    return paths


def write_predictions(folder: Path, *keys: str) -> None:
    """Write predictions of valence and arousal for one clip of 30 frames."""
    (folder / "predictions").mkdir(exist_ok=True)
    draws = np.random.default_rng(0)
    truth = {f"true_{name}": draws.uniform(-1, 1, 30) for name in NAMES}
    faces = {"id": [f"c/{i}" for i in range(30)], "clip": "c", "subject": "s", "frame": range(30)}
    for key in keys:
        values = {name: draws.uniform(-1, 1, 30) for name in NAMES}
        pd.DataFrame({**faces, **values, **truth}).to_csv(folder / "predictions" / f"{key}.csv", index=False)


def captions(folder: Path) -> set[str]:
    return {one.caption for figures in read_figures(folder).values() for one in figures}


def test_images_stay_as_long_as_their_records_do(tmp_path: Path) -> None:
    records = [
        make_value_record(name, [ccc], key=f"afewva_5fold-{name}") for name, ccc in (("a", 0.7), ("b", 0.6))
    ]
    write(tmp_path, *records)
    write_predictions(tmp_path, *(record["key"] for record in records))
    report(tmp_path)
    pages = [tmp_path / "leaderboard.html", *(tmp_path / "details").iterdir()]
    whole, text = captions(tmp_path), "".join(path.read_text(encoding="utf-8") for path in pages)
    assert {"Predictions of a against labels", "Where labels and predictions lie"} < whole
    for path in (tmp_path / "predictions").iterdir():
        path.unlink()
    report(tmp_path)
    assert captions(tmp_path) == whole
    assert all(f'alt="{caption};' in text for caption in whole)
    other = write(tmp_path, make_value_record("b", [0.5], key="afewva_5fold-b-other"))
    (tmp_path / "records" / "afewva_5fold-b.json").unlink()
    report(tmp_path)
    assert other and "Predictions of a against labels" in captions(tmp_path)
    assert not {"Predictions of b against labels", "Where labels and predictions lie"} & captions(tmp_path)
    (tmp_path / "figures.json").write_text('{"x": [{"caption": 1}]}', encoding="utf-8")
    assert read_figures(tmp_path) == {}


def test_comparisons_with_an_earlier_best_system_stay(tmp_path: Path) -> None:
    """A new best system without predictions leaves the comparisons that were found."""
    write(tmp_path, make_value_record("a", [0.7], key="p-a"), make_value_record("b", [0.6], key="p-b"))
    write_predictions(tmp_path, "p-a", "p-b")
    report(tmp_path)
    (first,) = json.loads((tmp_path / "comparisons.json").read_text(encoding="utf-8"))
    assert (first["first"], first["second"]) == ("a", "b") and first["difference"] is not None
    write(tmp_path, make_value_record("best", [0.9], key="p-best"))
    for path in (tmp_path / "predictions").iterdir():
        path.unlink()
    report(tmp_path)
    found = json.loads((tmp_path / "comparisons.json").read_text(encoding="utf-8"))
    assert [(one["first"], one["second"]) for one in found] == [("best", "a"), ("a", "b")]
    assert found[0]["difference"] is None and found[1] == first


def test_the_screen_says_what_is_to_be_known_of_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = "timed on a busy machine: other work had the processor for {}% of the time"
    records = [make_record(name, 0.5, remarks=[busy.format(share)]) for name, share in (("a", 27), ("b", 43))]
    write(tmp_path, *records, make_record("c", 0.4))
    assert main(["leaderboard", str(tmp_path)]) == 0
    assert "\na, b: timed on a busy machine " in capsys.readouterr().out


def test_records_of_elsewhere_are_shown_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, one, two = (make_record(name, value) for name, value in (("own", 0.5), ("one", 0.6), ("two", 0.7)))
    write(tmp_path / "board", own)
    (file,) = write(tmp_path / "elsewhere", one)
    write(tmp_path / "folder", two, own)
    given = ["--record", str(file), str(tmp_path / "folder")]
    assert main(["leaderboard", str(tmp_path / "board"), *given]) == 0
    page = (tmp_path / "board" / "leaderboard.md").read_text(encoding="utf-8")
    shown = capsys.readouterr().out
    assert all(f"| {name} |" in page and name in shown for name in ("own", "one", "two"))
    assert [path.name for path in (tmp_path / "board" / "records").iterdir()] == [f"{own['key']}.json"]
    assert main(["leaderboard", str(tmp_path / "new"), *given]) == 0
    assert "| one |" in (tmp_path / "new" / "leaderboard.md").read_text(encoding="utf-8")
    with pytest.raises(AffectZooError, match="no records here"):
        gather(tmp_path / "board", [tmp_path])
