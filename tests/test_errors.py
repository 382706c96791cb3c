"""The errors are also those that Python's users expect."""

from __future__ import annotations

from pathlib import Path

import pytest

import affectzoo
from affectzoo import errors
from affectzoo.errors import (
    AffectZooError,
    DataError,
    DataNotFoundError,
    OptionError,
    OutputError,
    UnknownNameError,
)
from affectzoo.evaluation.protocol import read_ids
from affectzoo.faces.preprocess import Preprocess


def test_unknown_names_are_key_errors_with_a_plain_message() -> None:
    with pytest.raises(KeyError) as caught:
        affectzoo.create_model("resnet19", labels="rafdb7")
    assert isinstance(caught.value, UnknownNameError)
    assert str(caught.value).startswith("unknown architecture 'resnet19': did you mean resnet18")


def test_missing_data_are_missing_files(tmp_path: Path) -> None:
    error = DataNotFoundError("x", tmp_path / "no", ["a", "b"])
    assert isinstance(error, FileNotFoundError) and isinstance(error, ValueError)
    assert str(tmp_path / "no" / "a") in str(error) and str(error).startswith("x: ")
    assert error.errno is None and error.filename is None


@pytest.mark.parametrize("kind", ["WeightsError", "LabelError", "DetectorError", "OptionError"])
def test_others_are_value_errors(kind: str) -> None:
    made = getattr(errors, kind)("text")
    assert isinstance(made, ValueError) and isinstance(made, AffectZooError) and str(made) == "text"


def test_options_out_of_range_are_value_errors() -> None:
    with pytest.raises(ValueError, match="size"):
        Preprocess(size=-1)


def test_an_unknown_protocol_in_a_file_of_ids_keeps_its_kind(tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text('{"protocol": "nosuch", "folds": [], "hash": ""}')
    with pytest.raises(UnknownNameError, match="nosuch"):
        read_ids(tmp_path / "ids.json")


def test_long_messages_show_their_start_and_their_end() -> None:
    for kind in (OptionError, DataError, OutputError):
        told = str(kind(f"a.json: key was {'x' * 100_000}: delete the file"))
        assert told.startswith("a.json: key was xxx") and told.endswith("x: delete the file")
        assert " [...] " in told and len(told) < 5000
