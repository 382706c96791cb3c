from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from affectzoo.errors import DataError, OptionError
from affectzoo.files.faults import all_faults
from affectzoo.files.text import csv_rows, lines, parse_yaml, read_json, read_text


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "zwei\nüber\n\nvier".encode(),
        codecs.BOM_UTF8 + "zwei\r\nüber\r\n\r\nvier\r\n".encode(),
        "zwei\rüber\r\rvier\r".encode(),
        "zwei\nüber\n\nvier\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "zwei\r\nüber\r\n\r\nvier".encode("utf-16-be"),
    ],
)
def test_lines_whatever_the_encoding_and_line_ends(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    found = list(lines(path))
    assert [(line.number, line.text) for line in found] == [(1, "zwei"), (2, "über"), (3, ""), (4, "vier")]
    assert found[1].where == f"{path}, line 2"
    assert read_text(path) == "zwei\nüber\n\nvier"


def test_only_line_ends_end_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a\x0bb\x0cc\x1cd\x85e\u2028f\ng\n".encode())
    assert [line.number for line in lines(path)] == [1, 2]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"good\ncaf\xe9\ngood\n", "line 2: byte 0xe9 after 3 others"),
        (b"good\n\0\ngood\n", "line 2: a NUL byte"),
        ("good\ngood\n".encode("utf-16-le"), "line 1: a NUL byte"),
        (codecs.BOM_UTF16_LE + "good\n".encode("utf-16-le") + b"\0\xd8x\0", "line 2: damaged UTF-16 at byte"),
        (codecs.BOM_UTF16_LE + b"x", "line 1: damaged UTF-16 at byte"),
        ("good\n".encode("utf-32"), "line 1: a NUL byte"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        list(lines(path))
    assert f"{path}, {named}" in str(caught.value)


def test_lines_go_on_where_faults_are_collected(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\n\xff\nb\n\0\nc\n")
    with all_faults() as faults:
        assert [(line.number, line.text) for line in lines(path)] == [(1, "a"), (3, "b"), (5, "c")]
    assert ["line 2" in str(faults[0]), "line 4" in str(faults[1])] == [True, True]


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "link"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    path = tmp_path / "labels.txt"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to("nowhere")
    for read in (read_text, read_json, lambda path: list(csv_rows(path))):
        with pytest.raises(DataError, match="labels"):
            read(path)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_cells(tmp_path: Path, mark: str) -> None:
    path = written(tmp_path, f'path{mark} "label"\n\n"a{mark}b.png"{mark} fear \n{mark}\n'.encode())
    rows = list(csv_rows(path))
    assert [row.cells for row in rows] == [["path", '"label"'], [f"a{mark}b.png", "fear"]]
    assert rows[1].where == f"{path}, line 3"


@pytest.mark.parametrize(
    ("content", "line"), [(b"a,b\nx,y,z\n", 2), (b'a,b\n"x,y\nx,y\n', 2), (b'a,b\n"x"y,z\n', 2)]
)
def test_damaged_rows(tmp_path: Path, content: bytes, line: int) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=f"line {line}"):
        list(csv_rows(path))
    with all_faults() as faults:
        assert len(list(csv_rows(path))) == content.count(b"\n") - 1
    assert len(faults) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000, b'{"a": \xff}', b"1" * 5000, b"\0"]
)
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match="labels"):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("trainer: {a: 1}\nmodel: b\ntrainer: {c: 2}", "the key 'trainer' is there twice"),
        ("a: [{b: 1, b: 2}]", "the key 'b' is there twice"),
        ("a: &a [*a]", "parts that hold themselves"),
        ("a: &a {b: {c: *a}}", "parts that hold themselves"),
        (
            "a: &a [x, x, x]\n"
            + "".join(
                f"a{i}: &a{i} [{','.join([f'*a{i - 1}'.replace('a0', 'a')] * 9)}]\n" for i in range(1, 9)
            ),
            "more than 100,000 values",
        ),
    ],
)
def test_yaml_that_says_a_thing_twice_or_without_end(text: str, told: str) -> None:
    with pytest.raises(OptionError, match=f"recipe.yaml: .*{told}"):
        parse_yaml(text, "recipe.yaml")


def test_yaml_may_refer_to_its_parts() -> None:
    assert parse_yaml("x: &x {a: 1}\ny: {<<: *x, a: 2}\nz: *x", "recipe.yaml")["y"] == {"a": 2}
    assert parse_yaml("", "recipe.yaml") is None
