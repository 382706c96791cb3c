"""Recipes by name."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from affectzoo.cli import main
from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.training.recipes import check_recipe, find, folder, names, recipe_path

REPOSITORY = Path(__file__).parents[2]


def test_every_recipe_has_a_name_and_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((REPOSITORY / "recipes").rglob("*.yaml"))
    assert names() == sorted(f"{path.parent.name}/{path.stem}" for path in files)
    assert main(["recipes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["recipe"] for row in listed] == names()
    assert all(row["about"] and row["data"] and row["task"] for row in listed)
    assert main(["recipes"]) == 0
    assert all(name in capsys.readouterr().out for name in names()[:1])


def test_one_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--show", "dlp_cnn_s/folder"]) == 0
    assert capsys.readouterr().out == recipe_path("dlp_cnn_s/folder").read_text(encoding="utf-8")
    assert find("dlp_cnn_s/folder").facts()["epochs"] == 30


def test_unknown_names_are_refused_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownNameError, match="dlp_cnn_s/folder"):
        find("dlp_cnn_s/foldr")
    assert main(["recipes", "--show", "x"]) == 1
    assert "affectzoo recipes" in capsys.readouterr().err


def test_the_wheel_holds_the_recipes() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert wheel["force-include"] == {folder().name: "affectzoo/recipes"}


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\xff", b"a: [", b"", b"- a", b"just words", "a: 1".encode("utf-16")]
)
def test_files_that_are_no_recipes_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(OptionError, match="mine") as refused:
        check_recipe(path)
    assert "\n" not in str(refused.value)


def test_commands_refuse_them_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(bytes(range(256)))
    for command in ("fit", "test", "cross-validate"):
        for option in (["--config", str(path)], ["--recipe", "no/such"]):
            try:
                status = main([command, *option])
            except SystemExit as stop:
                status = int(str(stop.code))
            told = capsys.readouterr().err
            assert status in (1, 2) and "Traceback" not in told
            assert ("mine.yaml" if option[0] == "--config" else "no/such") in told.splitlines()[0]
