"""A run's folder: claimed at once, never overwritten unless told so, and gone if nothing came of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError, DataError, OutputError
from affectzoo.files.text import read_json
from affectzoo.training.checkpoints import FOLDER, LAST
from affectzoo.weights import FILE_NAME

CLAIM = "run.json"
"""The file whose making claims a folder: the command, and the cluster's job."""

CONFIG = "config.yaml"


class RunExistsError(AffectZooError, FileExistsError):
    """A run's folder that holds files already; says how to go on with them."""


@dataclass(frozen=True)
class Run:
    """A run's folder.

    Attributes:
        folder: Absolute.
        replaced: Where the run that was there before waits until this one has something to keep.
        claimed: Whether this process made the folder, rather than go on in one.
    """

    folder: Path
    replaced: Path | None = None
    claimed: bool = False

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / FOLDER / LAST

    def resume_command(self, checkpoint: Path | None = None) -> str:
        """The line to type to go on with this run, by default from ``last``."""
        paths = (self.folder / CONFIG, checkpoint or self.last)
        return "affectzoo fit --config {} --ckpt_path {}".format(*(shlex.quote(str(path)) for path in paths))

    def tidy(self) -> None:
        """Remove a folder that was claimed if nothing in it can be kept; else what it replaced."""
        if not self.claimed:
            return
        kept = any((self.folder / FOLDER).glob("*.ckpt")) or any(
            path.name not in (CLAIM, CONFIG, FOLDER, "csv", "tensorboard") for path in self.folder.iterdir()
        )
        if not kept:
            shutil.rmtree(self.folder)
            if self.replaced is not None:
                self.replaced.rename(self.folder)
        elif self.replaced is not None:
            shutil.rmtree(self.replaced)


def claim(folder: Path, command: Sequence[str], *, overwrite: bool = False) -> Run:
    """Take a folder for a new run, against other processes too.

    Args:
        folder: New or empty, or one that this very job of a cluster had claimed before it was requeued.
        command: What the user typed after ``affectzoo``.
        overwrite: Replace the run that is there; it is kept until the new one has a checkpoint.

    Raises:
        RunExistsError: The folder holds a run or other files.
        OutputError: The folder cannot be made.
    """
    folder = folder.absolute()
    facts = {"command": list(command), "job": job()}
    replaced = None
    if (folder / CLAIM).is_file() and _requeued(folder, facts):
        return Run(folder)
    if overwrite and folder.is_dir() and any(folder.iterdir()):
        if not any((folder / name).exists() for name in (CLAIM, CONFIG, FILE_NAME)):
            raise RunExistsError(f"{folder}: not overwritten: it holds files, but no run")
        replaced = folder.with_name(f"{folder.name}.replaced-{os.getpid()}")
        folder.rename(replaced)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunExistsError(_taken(folder))
        with (folder / CLAIM).open("x", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
    except FileExistsError as error:
        raise error if isinstance(error, RunExistsError) else RunExistsError(_taken(folder)) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None
    return Run(folder, replaced, claimed=True)


def claim_numbered(base: Path, command: Sequence[str]) -> Run:
    """Take ``base``, or the first of ``base-2``, ``base-3``, ... that is free."""
    number, folder = 1, base
    while True:
        try:
            return claim(folder, command)
        except RunExistsError:
            number += 1
            folder = base.with_name(f"{base.name}-{number}")


def job() -> str | None:
    """Name this process's job of a SLURM cluster, the same after it is requeued; None elsewhere."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    return os.environ.get("SLURM_JOB_ID")


def _requeued(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Tell whether this job claimed the folder for this command, and did not finish it."""
    try:
        before = read_json(folder / CLAIM)
    except DataError:
        return False
    return facts["job"] is not None and before == facts and not (folder / FILE_NAME).exists()


def _taken(folder: Path) -> str:
    run = Run(folder)
    if not folder.is_dir():
        return f"{folder}: is no folder. Choose another --run_dir"
    if (folder / FILE_NAME).is_file():
        state = "holds a finished run"
    elif run.last.is_file():
        return (
            f"{folder}: holds a run that was stopped (or still goes on). To resume it: "
            f"{run.resume_command()}; to replace it: --overwrite true; else choose another --run_dir"
        )
    elif (folder / CLAIM).is_file():
        state = "holds a run without a checkpoint yet"
    else:
        state = "holds files"
    return f"{folder}: {state}. Choose another --run_dir, or replace a run: --overwrite true"
