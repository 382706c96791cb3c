"""Text from outside is shown as text: on screen, in CSV, JSON, Markdown and HTML."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table

from affectzoo.console import (
    counted,
    csv_cell,
    html,
    json_text,
    markdown,
    markdown_block,
    plain_cell,
    print_json,
    stderr,
    stdout,
    visible,
)

NASTY = [
    "take[/b].jpg",
    "[red]x",
    "\x1b]0;owned\x07",
    "caf\udce9",
    ":smile:",
    "a\x9bb",
    "new\nline",
    "back\\",
]


def test_consoles_show_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (stdout(), stderr()):
        table = Table("name", title="[/x]")
        for text in NASTY:
            console.print(text, f"in a sentence: {text}")
            table.add_row(text)
        console.print(table)
    captured = capsys.readouterr()
    for shown in captured:
        assert "take[/b].jpg" in shown and "[red]x" in shown and ":smile:" in shown and "[/x]" in shown
        assert r"\x1b]0;owned\x07" in shown and r"caf\xe9" in shown and r"a\x9bb" in shown
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\udce9"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字", "plain é 漢字"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\tb\r\nc\0", r"a\tb\r\nc\x00"),
        ("\udcff\udc80\ud800", r"\xff\x80\ud800"),
        ("x\u202egpj.exe", r"x\u202egpj.exe"),
    ],
)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(visible(text)) == shown


def test_one_is_no_plural() -> None:
    assert [counted(n, "face") for n in (0, 1, 2, 1200)] == ["0 faces", "1 face", "2 faces", "1,200 faces"]


def test_spreadsheets_run_nothing() -> None:
    for text in ("=cmd|'/c calc'!A0", "+1+1", "-x.jpg", "@SUM(A1)", "'=x"):
        assert csv_cell(text) == f"'{text}" and plain_cell(csv_cell(text)) == text
    for value in ("-0.5", "+1", "-inf", "face.jpg", "'quoted'", "", "a=b", 3, -0.5, None):
        assert csv_cell(value) == value and plain_cell(value) == value
    written = io.StringIO()
    csv.writer(written).writerow([csv_cell("\x1b=1"), csv_cell("a\rb")])
    assert written.getvalue() == "\\x1b=1,a\\rb\r\n"


def test_markdown_stays_one_cell_one_span_one_block() -> None:
    assert markdown("a|b`c*[x](http://y)<b>") == r"a\|b\`c\*\[x\](http://y)\<b\>"
    assert markdown("dlp_cnn_s.ferplus _x_") == r"dlp_cnn_s.ferplus \_x\_"
    assert markdown("&lt;\n") == r"&amp;lt;\\n"
    block = markdown_block("run\n```\n# free", "bash").split("\n")
    assert block[0] == "````bash" and block[-1] == "````" and block[2] == "```"


def test_html_holds_no_tags_of_others() -> None:
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append(tag)

    attribute, inside = html('" onload="x'), html("<script>&amp;")
    Tags().feed(f'<p title="{attribute}">{inside}</p>')
    assert found == ["p"]


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"nan": float("nan"), "np": np.float32("inf"), "n": np.int64(3), "a": np.ones(2), 1: Path("x")}
    expected = {"nan": None, "np": None, "n": 3, "a": [1.0, 1.0], "1": "x"}
    assert json.loads(json_text(value)) == expected
    print_json({"caf\udce9": "\x1b\x9b"})
    shown = capsys.readouterr().out
    assert shown.isascii() and "\x1b" not in shown and json.loads(shown) == {"caf\udce9": "\x1b\x9b"}
