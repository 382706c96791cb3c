"""Damage files as disks, programs and people do, and put them back."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

MANY = int(os.environ.get("AFFECTZOO_FUZZ", "0"))
"""How many mutants of data sets to try in all, and a tenth of each other kind; 0: the default suite's few."""

SECONDS = 20
"""A reader that computes longer hangs; one that waits, after ten times as long."""

Draw = Callable[..., Any]
Written = Callable[[str], tuple[Path, list[Path]]]
"""From a target's name to the folder of its sound files, and to those that may be damaged."""
MEDIA = re.compile(r"\.(jpe?g|png|tiff?|avi|mp4)$", re.IGNORECASE)
ODD_NUMBERS = (
    *("nan", "inf", "-inf", "1e308", "-1e308", "1e999", "1e-400", "-0.0", "0", "-1", "-2", "-5", "7", "11"),
    *("", " ", "1_0", "0x10", "1,5", "\u0661", "\u00b2", "True", "null", "NULL", "None", "yes", "[]", "{}"),
    *("9" * 20, "9" * 400, "9" * 5000, "1.0000000000000002", "2147483648", "x", '"', "'", "\u200b", "\ufeff"),
)
ODD_BYTES = (
    *(b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b"\x1a", b"\x85"),
    *(b'"', b"'", b",", b";", b"\t", b" ", b"{", b"}", b"[", b"\\", b"%", b"@", b"\xed\xa0\x80", b"\xc3"),
    b"\x1b[31m",
)
ODD_NAMES = (
    *(b".hidden", b"Thumbs.db", b"caf\xe9", b"[b]", b"a\nb", b" ", b"1", b"0", b"train", b"val", b"x" * 200),
)


ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e308, -1e308, 10**400, 2**63, float("nan"), float("inf")),
    *("", "x", "[/b]", "\ud800", "\x1b[31m", "=1+1", "```", "../../x", "NaN", "é" * 3, "x" * 30_000),
    *([], {}, [[]], [None], {"": None}, {"value": None}, {"value": "1"}, [1, 2, 3], ["a", "a"]),
)
"""What JSON may hold in place of a value."""


def fuzzed(few: int, share: float = 1.0) -> settings:
    """Say how many mutants a test tries: few, always the same; or a share of ``MANY``, others each time."""
    return settings(
        max_examples=max(1, int(MANY * share)) if MANY else few,
        phases=(Phase.generate,),  # mutants are small: what was drawn tells enough
        deadline=None,
        derandomize=not MANY,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested JSON."""
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in inner:
        yield (*at, name)
        yield from places(part, (*at, name))


def damaged(value: Any, draw: Draw) -> Any:
    """Replace, rename, drop or nest one to three parts of a JSON value."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(value)) or [()])) or (None,)
        at = value
        for name in path:
            at = at[name]
        damage = draw(st.sampled_from(("replace", "replace", "drop", "rename", "nest")))
        if last is None:
            return draw(st.sampled_from(ODD_VALUES))
        if damage == "replace":
            at[last] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        elif damage == "nest":
            deep = draw(st.sampled_from(("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300)))
            at[last] = json.loads(deep)
        elif damage == "rename" and isinstance(at, dict):
            at[draw(st.sampled_from(("x", "per_x", "[/b]", "")))] = at.pop(last)
        else:
            del at[last]
    return value


@contextmanager
def restored(root: Path, path: Path) -> Iterator[None]:
    """Put a file or folder back as it was, whatever became of it."""
    copy = root.with_name(f"{root.name}.copy")
    (shutil.copytree if path.is_dir() else shutil.copy2)(path, copy)
    before = set(os.listdir(path.parent))  # noqa: PTH208
    try:
        yield
    finally:
        for entry in path.parent.iterdir():
            if entry == path or entry.name not in before:
                _gone(entry)
        copy.rename(path)


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail where the work inside takes too long."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took longer than {SECONDS} s")

    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, late) for number in timers}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 10 * SECONDS)
    try:
        yield
    finally:
        for number, timer in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def mutate(path: Path, draw: Draw) -> None:
    """Damage a file's content, or the file itself."""
    if MEDIA.search(path.name) or path.is_dir():
        _draw(draw, ENTRIES)(path, draw)
        return
    if path.suffix == ".json" and draw(st.booleans()):
        path.write_text(json.dumps(damaged(json.loads(path.read_bytes()), draw)), encoding="utf-8")
        return
    for _ in range(int(_draw(draw, (1, 1, 1, 2, 4)))):
        if path.is_file() and not path.is_symlink():
            change = _draw(draw, (*CONTENTS, *CONTENTS, *ENTRIES))
            if change in ENTRIES:
                change(path, draw)
                return
            path.write_bytes(change(path.read_bytes(), draw))


def _draw(draw: Draw, choices: tuple[Any, ...]) -> Any:
    return draw(st.sampled_from(choices))


def _place(content: bytes, draw: Draw) -> int:
    return draw(st.integers(0, len(content)))


def flip(content: bytes, draw: Draw) -> bytes:
    place = _place(content, draw)
    bit = 1 << draw(st.integers(0, 7))
    return content[:place] + bytes(byte ^ bit for byte in content[place : place + 1]) + content[place + 1 :]


def insert(content: bytes, draw: Draw) -> bytes:
    place = _place(content, draw)
    times = draw(st.sampled_from((1, 1, 1, 3, 3000)))
    return content[:place] + _draw(draw, ODD_BYTES) * times + content[place:]


def remove(content: bytes, draw: Draw) -> bytes:
    place = _place(content, draw)
    return content[:place] + content[place + draw(st.sampled_from((1, 3, 30))) :]


def cut_off(content: bytes, draw: Draw) -> bytes:
    return content[: _place(content, draw)]


def zeros(content: bytes, draw: Draw) -> bytes:
    place = _place(content, draw)
    return content[:place] + bytes(len(content) - place)


def lines(content: bytes, draw: Draw) -> bytes:
    """Repeat, remove or swap a line."""
    parts = content.splitlines(keepends=True)
    if not parts:
        return content
    i, j = (draw(st.integers(0, len(parts) - 1)) for _ in range(2))
    how = _draw(draw, ("repeat", "remove", "swap", "halve"))
    if how == "repeat":
        parts.insert(j, parts[i])
    elif how == "remove":
        del parts[i]
    elif how == "swap":
        parts[i], parts[j] = parts[j], parts[i]
    else:
        parts[i] = parts[i][: len(parts[i]) // 2]
    return b"".join(parts)


def numbers(content: bytes, draw: Draw) -> bytes:
    """Replace a number, or a word, by something odd."""
    found = list(re.finditer(rb"-?[0-9][0-9.eE+-]*" if draw(st.booleans()) else rb"[A-Za-z_]+", content))
    if not found:
        return content
    token = found[draw(st.integers(0, len(found) - 1))]
    return content[: token.start()] + str(_draw(draw, ODD_NUMBERS)).encode() + content[token.end() :]


def encode(content: bytes, draw: Draw) -> bytes:
    text = content.decode("utf-8", errors="replace")
    code = _draw(draw, ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037", "utf-7"))
    return text.encode(str(code), errors="replace")


def replace(content: bytes, draw: Draw) -> bytes:
    junk = (b"", b"\0", b"[" * 100_000, b'{"a":' * 20_000, b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\n" * 100)
    return _draw(draw, junk)


CONTENTS = (flip, insert, remove, cut_off, zeros, lines, lines, numbers, numbers, numbers, encode, replace)


def _gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def deleted(path: Path, draw: Draw) -> None:
    _gone(path)


def other_kind(path: Path, draw: Draw) -> None:
    was_folder = path.is_dir()
    _gone(path)
    path.write_bytes(b"x") if was_folder else path.mkdir()


def pipe(path: Path, draw: Draw) -> None:
    _gone(path)
    os.mkfifo(path)


def link(path: Path, draw: Draw) -> None:
    _gone(path)
    path.symlink_to(_draw(draw, ("nowhere", path.name, ".")))


def renamed(path: Path, draw: Draw) -> None:
    name = _draw(draw, ODD_NAMES)
    suffix = os.fsencode(path.suffix) if draw(st.booleans()) else b""
    new = os.path.join(os.fsencode(path.parent), name + suffix)  # noqa: PTH118
    if not os.path.lexists(new):
        os.rename(path, new)  # noqa: PTH104


def emptied(path: Path, draw: Draw) -> None:
    was_folder = path.is_dir()
    _gone(path)
    path.mkdir() if was_folder else path.write_bytes(b"")


ENTRIES = (deleted, other_kind, pipe, link, renamed, emptied)


def written_once(temporary: pytest.TempPathFactory, write: Callable[[str, Path], list[Path]]) -> Written:
    """Write each target's sound files when they are first asked for.

    Args:
        temporary: Where.
        write: Writes the files of a target into a new folder, and says which may be damaged.
    """

    @cache
    def get(name: str) -> tuple[Path, list[Path]]:
        root = temporary.mktemp(name) / "files"
        root.mkdir()
        return root, write(name, root)

    return get
