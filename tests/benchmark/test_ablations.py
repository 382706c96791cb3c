"""The script of ablations, with tiny settings, and the page that it fills."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from fakes import write_ferplus
from fakes.scripts import SCRIPTS, load_script


@pytest.fixture(scope="module")
def ablations() -> ModuleType:
    return load_script("ablations")


def test_every_setting_has_its_recipe_and_folders_of_its_own(ablations: ModuleType) -> None:
    folders = [setting.run(Path(), seed) for setting in ablations.SETTINGS for seed in range(2)]
    assert len(set(folders)) == len(folders)
    for setting in ablations.SETTINGS:
        assert (SCRIPTS.parent / "recipes" / f"{setting.recipe}.yaml").is_file()


def test_the_page_shows_the_figures(ablations: ModuleType) -> None:
    rows = pd.read_csv(ablations.FIGURES)
    page = ablations.PAGE.read_text(encoding="utf-8")
    assert ablations.filled(page, rows) == page, (
        "docs/ablations.md is stale; run: benchmarks/ablations.py table"
    )
    for table in rows["table"].unique():
        assert f"<!-- ablation: {table} -->" in page
    known = {(setting.table, setting.name) for setting in ablations.SETTINGS}
    assert set(zip(rows["table"], rows["setting"], strict=True)) <= known
    assert (rows.groupby(["table", "setting"])["weights"].nunique() == 3).all()


@pytest.mark.slow
def test_it_trains_measures_and_fills_the_page(
    ablations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    chosen = [replace(one, share=0.5) for one in ablations.SETTINGS if one.table == "rule"][:2]
    monkeypatch.setattr(ablations, "SETTINGS", chosen)
    monkeypatch.setattr(ablations, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(ablations, "FIGURES", tmp_path / "figures.csv")
    ablations.PAGE.write_text("a\n<!-- ablation: rule -->\n<!-- /ablation -->\nb\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ablations.py", *arguments])
        status: int = ablations.main()
        return status

    tiny = ["--seeds=2", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--data.num_workers=0"]
    assert run("run", f"--root={root}", *tiny) == 0
    assert capfd.readouterr().out.count("trained") == 4
    assert run("run", f"--root={root}", *tiny) == 0
    assert "trained" not in capfd.readouterr().out
    assert run("table") == 0
    assert len(pd.read_csv(ablations.FIGURES)) == 4
    assert ablations.PAGE.read_text(encoding="utf-8").count("\n| ") == 4
