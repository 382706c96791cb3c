"""Rows of a run that is not finished, on disk as they come, so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from affectzoo.console import counted, json_text
from affectzoo.errors import OptionError, OutputError
from affectzoo.files.writing import lock
from affectzoo.inference.results import Row, write_rows

_START = b'{"sum": '
"""How each line begins."""


class UnfinishedRun:
    """Rows kept in a file beside the target until the run is complete.

    ``faces.csv.part`` holds JSON Lines: what the rows depend on, then one line per image or frame, each with
    a sum of its content. A line that was cut off by a kill is dropped when the run goes on.

    Attributes:
        target: The file of results that the run is for.
        path: The file that keeps the rows.
        done: The inputs that have all their rows.
        begun: The video that has rows of its first frames.
        frames: How many frames these are.
    """

    def __init__(
        self, target: Path, facts: Mapping[str, Any], resume: bool, within_videos: bool = True
    ) -> None:
        """Begin a run, or go on with one.

        Args:
            target: The file of results that the run is for.
            facts: What the rows depend on, such as the model and the options; JSON-ready.
            resume: Whether to go on with what an earlier run left.
            within_videos: Whether that can be in the middle of a video; else its frames are dropped.

        Raises:
            OptionError: An earlier run left rows and is not to be resumed, or had other ``facts``.
            OutputError: The file cannot be written, or another run is writing it.
        """
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.done: set[str] = set()
        self.begun: str | None = None
        self.frames = 0
        self._lines = 0
        self._begun_at = (0, 0)
        self._complete = False
        try:
            self._file = self.path.open("a+b")
            lock(self._file)
            self._go_on(dict(facts), resume, within_videos)
        except OptionError:
            self._file.close()
            raise
        except BlockingIOError:
            raise OutputError(f"{self.path}: another run is writing it") from None
        except OSError as error:
            raise self._failure(error) from None

    def _go_on(self, facts: dict[str, Any], resume: bool, within_videos: bool) -> None:
        """Read what is there; cut off what is not whole."""
        self._file.seek(0)
        before: dict[str, Any] = {}
        lines = end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                if number == 1 and line[: len(_START)] != _START[: len(line)]:
                    raise OptionError(f"{self.path}: is not of an unfinished run; move it away")
                break
            try:
                entry = _checked(line, number)
                if number == 1:
                    before = dict(entry)
                else:
                    self._begun_at = self._begun_at if entry["input"] == self.begun else (lines, end)
                    self._count(entry["input"], entry.get("ends", True))
            except (ValueError, KeyError, TypeError, RecursionError):
                raise OptionError(
                    f"{self.path}, line {number}: damaged; delete the file to start over"
                ) from None
            lines, end = number, end + len(line)
        if self.holds_rows:
            self._compare(before, json.loads(json_text(facts, None)))
            if not resume:
                raise OptionError(
                    f"{self.path} holds {self._held()} of a run that did not finish: "
                    "add --resume to go on with it, or delete the file to start over"
                )
        if self.begun is not None and not within_videos:
            (lines, end), self.begun, self.frames = self._begun_at, None, 0
        self._lines, end = (lines, end) if self.holds_rows else (0, 0)
        self._file.truncate(end)
        if end == 0:
            self._append(facts)

    @property
    def holds_rows(self) -> bool:
        """Whether rows are kept already."""
        return bool(self.done) or self.begun is not None

    def _count(self, name: str, ends: bool) -> None:
        """Note that rows are kept."""
        if ends:
            self.done.add(name)
            self.begun, self.frames = None, 0
        else:
            self.frames = self.frames + 1 if name == self.begun else 1
            self.begun = name

    def _held(self) -> str:
        frames = "" if self.begun is None else f"{counted(self.frames, 'frame')} of {self.begun}"
        inputs = counted(len(self.done), "input") if self.done or not frames else ""
        return " and ".join(part for part in (inputs, frames) if part)

    def _compare(self, before: dict[str, Any], facts: dict[str, Any]) -> None:
        other = sorted(name for name in {*before, *facts} if before.get(name) != facts.get(name))
        if other:
            was = ", ".join(f"{name} was {before.get(name)}, is {facts.get(name)}" for name in other)
            raise OptionError(
                f"{self.path} is of a run with other options: {was}; use these again, or delete the file"
            )

    def add(self, name: str, rows: Sequence[Row], ends: bool = True) -> None:
        """Keep rows.

        Args:
            name: The image or video that they are of.
            rows: Of the image, or of a frame.
            ends: Whether they are its last.

        Raises:
            OutputError: They cannot be written, such as on a full disk; what was kept before stays.
        """
        try:
            self._append({"input": name, "rows": rows} | ({} if ends else {"ends": False}))
        except OSError as error:
            raise self._failure(error) from None
        self._count(name, ends)

    def _append(self, value: Any) -> None:
        content = json_text(value, None)
        told = f'"{_sum(content, self._lines + 1)}", "content": {content}}}\n'
        self._file.write(_START + told.encode())
        self._file.flush()
        self._lines += 1

    def rows(self) -> Iterator[Row]:
        """Read all rows kept so far, one by one."""
        with self.path.open("rb") as file:
            next(file, None)
            for number, line in enumerate(file, 2):
                yield from _checked(line, number)["rows"]

    def begun_rows(self) -> Iterator[list[Row]]:
        """Read the rows of ``begun``, frame by frame, as far as the run has come."""

        def read(frames: int) -> Iterator[list[Row]]:
            with self.path.open("rb") as file:
                before, start = self._begun_at
                file.seek(start)
                for number, line in enumerate(islice(file, frames), before + 1):
                    yield _checked(line, number)["rows"]

        return read(self.frames)

    def finish(self, names: Sequence[str]) -> None:
        """Write the target at once; the rows can be read until the run is closed.

        Args:
            names: The target's columns.

        Raises:
            OutputError: It cannot be written; the rows are kept.
        """
        try:
            write_rows(self.rows(), names, self.target)
        except OutputError as error:
            raise OutputError(f"{error}. {self.kept()}") from None
        self._complete = True

    def kept(self) -> str:
        """Say where the rows are, and how to go on."""
        return f"{self._held()} are kept in {self.path}: the same command with --resume goes on"

    def close(self) -> None:
        """Release the file; remove it where the run is complete, or has no rows yet."""
        with contextlib.suppress(OSError):  # what could not be written is written no better now
            self._file.close()
        if self._complete or not self.holds_rows:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> UnfinishedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failure(self, error: OSError) -> OutputError:
        kept = f". {self.kept()}" if self.holds_rows else ""
        return OutputError(f"{self.target}: cannot be written: {error.strerror or error}{kept}")


def _checked(line: bytes, number: int) -> Any:
    """What a line holds, of which the number, from 1, is summed, too: none is lost, or there twice.

    Raises:
        ValueError: It is damaged; as are KeyError, TypeError and RecursionError.
    """
    told = json.loads(line)
    if told["sum"] != _sum(json_text(told["content"], None), number):
        raise ValueError("its sum is another")
    return told["content"]


def _sum(content: str, number: int) -> str:
    return hashlib.blake2b(f"{number} {content}".encode(), digest_size=8).hexdigest()
