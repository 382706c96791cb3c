"""Read text files of labels: one way to decode them, to count lines and to split cells.

Files are UTF-8 with or without a byte order mark, or UTF-16 with one. Anything else is a fault that names
file, line and byte. Lines end with LF, CR LF or CR and count from 1 on, as editors count.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from affectzoo.console import counted
from affectzoo.errors import DataError, OptionError
from affectzoo.files.faults import one_row, unreadable
from affectzoo.files.folders import obstacle, pointer, touch

MOST_VALUES = 100_000
"""Values that YAML may hold, each as often as it is referred to."""

SEPARATORS = (",", ";", "\t")
"""What may stand between the cells of a CSV file; the first one that its first line has counts."""


class Line(NamedTuple):
    """One line of a text file.

    Attributes:
        number: From 1 on.
        text: Without the line's end.
        where: File and line, for messages.
    """

    number: int
    text: str
    where: str


class Row(NamedTuple):
    """One line of a CSV file.

    Attributes:
        number: From 1 on.
        where: File and line, for messages.
        cells: The texts between separators, without blanks around them.
    """

    number: int
    where: str
    cells: list[str]


def lines(path: Path) -> Iterator[Line]:
    """Iterate over the lines of a text file, empty ones too.

    Lines that cannot be decoded or hold a NUL byte are faults, see ``affectzoo.files.faults``.

    Raises:
        DataError: The file cannot be read, or a line is at fault; file, line and byte are named.
    """
    for number, raw in enumerate(_raw_lines(path), start=1):
        where = f"{path}, line {number}"
        try:
            text = _decode(raw, where)
        except DataError as error:
            with one_row():
                raise error
        else:
            yield Line(number, text, where)


def read_text(path: Path) -> str:
    """Read a whole text file; with LF at the end of its lines.

    Raises:
        DataError: As ``lines`` says.
    """
    return "\n".join(line.text for line in lines(path))


def csv_rows(path: Path) -> Iterator[Row]:
    """Iterate over the lines of a CSV file that are not empty.

    Cells are separated as in the first line, see ``SEPARATORS``, and do not go over several lines.

    Raises:
        DataError: A line has another number of cells than the first, an open quotation mark, or is at fault
            as ``lines`` says.
    """
    columns, separator = 0, ","
    for line in lines(path):
        if not line.text.strip(" \t,;"):
            continue
        with one_row():
            if not columns:
                separator = next((mark for mark in SEPARATORS if mark in line.text), ",")
            cells = _cells(line, separator)
            columns = columns or len(cells)
            if len(cells) != columns:
                raise DataError(f"{line.where}: {counted(len(cells), 'field')}, the first line has {columns}")
            yield Row(line.number, line.where, cells)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It cannot be read, is no JSON, nests too deeply, or names a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        if twice:
            raise DataError(f"{path}: '{twice[0]}' occurs twice")
        return dict(pairs)

    try:
        return json.loads(read_text(path), object_pairs_hook=unique)
    except DataError:
        raise
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: no JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({error})") from None


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML as people write it into options and recipes; only plain values come of it.

    Args:
        text: The YAML.
        where: File or option, for the error.

    Raises:
        OptionError: It is no YAML, says a value that is none, names a key twice, or refers to parts of itself
            without an end.
    """
    import yaml

    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            return None
        _expanded(node, where, {})
        return yaml.SafeLoader("").construct_document(node)
    except OptionError:
        raise
    except RecursionError:
        raise OptionError(f"{where}: no YAML: it nests too deeply") from None
    except Exception as error:  # of a date that is none, ValueError; of other tags, whatever it ran into
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise OptionError(f"{where}: no YAML: {told}") from None


def _expanded(node: Any, where: str, known: dict[int, int]) -> int:
    """Count the values of a YAML node, those behind its references too, which may be many.

    Raises:
        OptionError: They are too many, or a key is named twice.
    """
    if id(node) not in known:
        known[id(node)] = MOST_VALUES  # of what is not counted to its end: it holds itself
        inner = node.value if isinstance(node.value, list) else []
        pairs = [part for part in inner if isinstance(part, tuple)]
        keys = Counter((key.tag, key.value) for key, _ in pairs if isinstance(key.value, str))
        for (_, name), times in keys.items():
            if times > 1:
                raise OptionError(f"{where}: the key '{name}' is there twice; YAML would take the last one")
        parts = [part for pair in pairs for part in pair] if pairs else inner
        known[id(node)] = 1 + sum(_expanded(part, where, known) for part in parts)
    if known[id(node)] > MOST_VALUES:
        raise OptionError(f"{where}: more than {MOST_VALUES:,} values, or parts that hold themselves")
    return known[id(node)]


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Lines as UTF-8, without byte order mark and ends."""
    touch(path)
    reason = obstacle(path) or pointer(path)
    if reason is not None:  # a pipe would never end
        raise DataError(f"{path}: cannot be read ({reason})")
    try:
        with path.open("rb") as file:
            start = file.read(3)
            if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                yield from _from_utf16(path, start + file.read()).splitlines()
                return
            file.seek(3 if start == codecs.BOM_UTF8 else 0)
            for raw in file:
                yield from raw.splitlines()
    except OSError as error:
        raise unreadable(error) from None


def _from_utf16(path: Path, content: bytes) -> bytes:
    try:
        return content.decode("utf-16").encode("utf-8")
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content[:start].decode("utf-16", errors="ignore").count("\n") + 1
        raise DataError(f"{path}, line {line}: damaged UTF-16 at byte {start}; save it as UTF-8") from None


def _decode(raw: bytes, where: str) -> str:
    if b"\0" in raw:
        raise DataError(
            f"{where}: a NUL byte after {raw.index(0)} others; the file is damaged, or UTF-16 without a byte "
            "order mark: save it as UTF-8"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: byte 0x{raw[error.start]:02x} after {error.start} others is not UTF-8; save the file "
            "as UTF-8"
        ) from None


def _cells(line: Line, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.text], delimiter=separator, strict=True))]
    except csv.Error as error:
        raise DataError(
            f"{line.where}: no CSV ({error}); see whether each quotation mark has its other"
        ) from None
