"""The page on what goes wrong quotes what affectzoo says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import affectzoo

PACKAGE = Path(affectzoo.__file__).parent
PAGE = PACKAGE.parent / "docs" / "troubleshooting.md"


def said() -> list[str]:
    """Every text of the code, with ``...`` where something is put in."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(v.value) if isinstance(v, ast.Constant) else "..." for v in node.values]
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_messages_are_quoted_as_they_are() -> None:
    messages = re.findall(r"^\| `([^`]+)`[^|]*\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(messages) > 20
    texts = said()
    for message in messages:
        pieces = [piece for piece in message.split("...") if piece.strip()]
        assert any(all(piece in text for piece in pieces) for text in texts), message
