"""The experiment on lagged labels, with tiny settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fakes.scripts import load_script

from affectzoo.datasets.afewva import read_afewva
from affectzoo.labeltools import Annotator


@pytest.fixture(scope="module")
def lag() -> ModuleType:
    return load_script("lag")


def write_clips(root: Path, clips: int = 8, frames: int = 24) -> Path:
    """Clips of as many actors whose landmarks say valence and arousal of the moment, which jump."""
    random = np.random.default_rng(0)
    for number in range(1, clips + 1):
        folder = root / f"{number:03d}"
        folder.mkdir(parents=True)
        values = np.repeat(random.integers(-8, 9, (frames // 4, 2)), 4, axis=0)
        told = {}
        for frame, (valence, arousal) in enumerate(values.tolist()):
            points = np.arange(136.0).reshape(68, 2) + 20
            points[:30, 0] += valence
            points[30:60, 1] += arousal
            told[f"{frame:05d}"] = {"landmarks": points.tolist(), "valence": valence, "arousal": arousal}
            (folder / f"{frame:05d}.png").write_bytes(b"image")
        content = {"video_id": folder.name, "actor": f"actor {number}", "frames": told}
        (folder / f"{folder.name}.json").write_text(json.dumps(content))
    return root


def test_lagged_copies_hold_what_an_annotator_says(lag: ModuleType, tmp_path: Path) -> None:
    root, out = write_clips(tmp_path / "clips"), tmp_path / "lagged"
    lag.make(root, out, Annotator(delay=0.08))  # two frames
    shown, lagged = (read_afewva(folder).table for folder in (root, out))
    assert shown["clip"].equals(lagged["clip"]) and (out / "001" / "00000.png").read_bytes() == b"image"
    for name in ("valence", "arousal"):
        one, other = (table[table["clip"] == "003"][name].to_numpy(float) for table in (shown, lagged))
        assert other[2:].tolist() == one[:-2].tolist() and not np.array_equal(one, other)
    before = (out / "002" / "002.json").stat().st_mtime_ns
    (out / "003" / "003.json").unlink()
    lag.make(root, out, Annotator(delay=0.08))  # goes on with what is missing
    assert (out / "003" / "003.json").is_file() and (out / "002" / "002.json").stat().st_mtime_ns == before


def test_recurrence_pays_where_labels_lag(
    lag: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, lagged, out = write_clips(tmp_path / "clips", 10), tmp_path / "lagged", tmp_path / "out"
    lag.make(root, lagged, Annotator(delay=0.16))  # a whole step of the labels
    monkeypatch.setattr(lag, "INPUTS", ("oracle",))
    lag.run(root, lagged, out, folds=1, seeds=1, epochs=60)
    found = {path.name.split("-fold")[0]: json.loads(path.read_text()) for path in out.glob("*.json")}
    mean = {name: (said["ccc_valence"] + said["ccc_arousal"]) / 2 for name, said in found.items()}
    assert mean["oracle-moment-frames"] > 0.8
    assert mean["oracle-lagged-gru"] > mean["oracle-lagged-frames"] + 0.2
    written = {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    for epochs, told in (("60", True), ("20", False)):  # runs of other lengths are no runs of these
        monkeypatch.setattr(sys, "argv", ["lag.py", "table", "--out", str(out), "--epochs", epochs])
        lag.main()
        assert ("(1 fold)" in capsys.readouterr().out) is told
    lag.run(root, lagged, out, folds=1, seeds=1, epochs=60)  # all is there
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.json")} == written
