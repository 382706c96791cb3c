"""``affectzoo cross-validate``: fit and test one recipe on every fold, then mean and spread per metric."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affectzoo.console import stdout
from affectzoo.errors import AffectZooError, DataError
from affectzoo.evaluation.crossvalidation import join_folds
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import Identity, predictions, records_of, write_record
from affectzoo.files.text import read_json, read_text
from affectzoo.files.writing import write_json, write_text
from affectzoo.metrics.names import title as metric_title
from affectzoo.training.recipes import check_recipe, recipe_path
from affectzoo.weights import FILE_NAME

if TYPE_CHECKING:
    from rich.table import Table

STOPPED = {130: 130, 143: 143, -signal.SIGINT: 130, -signal.SIGTERM: 143}
"""Ends of a process that was told to stop, and this command's own status then."""


def build_parser() -> argparse.ArgumentParser:
    """The command's own options; what it does not know goes to ``affectzoo fit`` and ``test``."""
    parser = argparse.ArgumentParser(
        prog="affectzoo cross-validate",
        description="Fit and test one recipe on every fold of a data set with folds, such as AFEW-VA,\n"
        "then report mean and standard deviation of each metric.",
        epilog="All other options are those of affectzoo fit; '{fold}' in them becomes the fold's number.\n"
        "Stopped half-way, the same command goes on where it was.\n\nexample:\n  affectzoo cross-validate "
        "--config recipes/resnet18/afewva.yaml --data.root DIR",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recipe = parser.add_mutually_exclusive_group(required=True)
    recipe.add_argument("--config", type=Path, metavar="YAML", help="the recipe's file")
    recipe.add_argument("--recipe", metavar="ARCH/DATASET", help="a recipe of the package")
    parser.add_argument("--folds", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument(
        "--run_dir", type=Path, help="a folder for all folds (default: runs/ARCH-RECIPE-folds)"
    )
    return parser


def cross_validate(
    config: Path,
    options: Sequence[str],
    folds: int = 5,
    folder: Path | None = None,
    *,
    command: str = "",
) -> Path:
    """Fit and test a recipe on every fold; folds that are done already are not run again.

    Each fold is a run of its own, ``fold_0`` to ``fold_<folds - 1>``, with weights and predictions.

    Args:
        config: The recipe; its data module has ``fold`` and ``folds``.
        options: Further options of ``affectzoo fit``; ``{fold}`` in them becomes the fold's number.
        folds: How many.
        folder: Where the runs go; by default ``runs/<arch>-<recipe>-folds``.
        command: What was typed, for the record.

    Returns:
        The folder. It holds one record of all folds, as a run's folder does, and ``cross_validation.csv``.

    Raises:
        AffectZooError: A fold failed, the folder holds the folds of other options, or folds < 2.
    """
    if folds < 2:
        raise AffectZooError(f"cross-validation over {folds} folds: at least 2 are needed")
    folder = folder or Path("runs") / f"{config.parent.name}-{config.stem}-folds"
    plan = {"config": read_text(config), "options": list(options), "folds": folds}
    _claim(folder / "plan.json", plan)
    records = [_fold(folder / f"fold_{fold}", config, options, folds, fold) for fold in range(folds)]
    tables = [read_table(predictions(folder / f"fold_{i}", record)) for i, record in enumerate(records)]
    spec = str(folder / "fold_{fold}")
    joined, joined_tables = join_folds(records, tables, name=folder.name, spec=spec, command=command)
    write_record(folder, joined, joined_tables)
    write_text(folder / "cross_validation.csv", summary(records).to_csv())
    return folder


def _claim(path: Path, plan: Mapping[str, Any]) -> None:
    """Note what the folder's folds are of, or compare with what was noted."""
    if not os.path.lexists(path):
        write_json(path, plan)
    try:
        before = read_json(path)
    except DataError:
        before = None
    if not isinstance(before, dict):
        raise AffectZooError(
            f"{path}: damaged. Delete this file alone to go on: folds that are done are kept. Make sure that "
            "options and recipe are those of before"
        )
    changed = [name for name, value in plan.items() if before.get(name) != value]
    if changed:
        raise AffectZooError(
            f"{path.parent} holds a cross-validation with other {' and '.join(changed)}: were {path.name} "
            "ignored, results would mix. Choose another --run_dir, or delete the folder"
        )


def _fold(run: Path, config: Path, options: Sequence[str], folds: int, fold: int) -> dict[str, Any]:
    """Fit and test one fold, as far as that is not done yet; its record."""
    record = _tested(run)
    if record is None:
        given = [option.replace("{fold}", str(fold)) for option in options]
        common = ["--config", str(config), *given, "--data.folds", str(folds), "--data.fold", str(fold)]
        common += ["--run_dir", str(run)]
        if not (run / FILE_NAME).is_file():
            _affectzoo("fit", *common, *_where_it_stopped(run))
        _affectzoo("test", *common, "--model.weights", str(run), "--model.new_head", "false")
        record = _tested(run)
    if record is None:
        raise AffectZooError(f"{run}: no record of this fold's weights; delete the folder and start again")
    return record


def _tested(run: Path) -> dict[str, Any] | None:
    """The record of a fold's test, of the weights that are there."""
    path = run / FILE_NAME
    found = records_of(run, Identity.read(path)) if path.is_file() else []
    return next((r for r in found if r.get("options", {}).get("stage") == "test"), None)


def _where_it_stopped(run: Path) -> list[str]:
    """Options that let a fold's training go on from its last good checkpoint, or start again."""
    from affectzoo.training.checkpoints import FOLDER, LAST, readable

    if not run.exists():
        return []
    good = readable(run / FOLDER)
    damaged = sorted(path for path in (run / FOLDER).glob("*.ckpt") if path not in good)
    for path in damaged:
        print(f"{path}: damaged, passed over", file=sys.stderr)
    if not good:
        return ["--overwrite", "true"]
    if good[0].name != LAST:
        print(f"{run.name} goes on from {good[0]}", file=sys.stderr)
    return ["--ckpt_path", str(good[0])]


def _affectzoo(*arguments: str) -> None:
    """Run a command in a process of its own, so that one fold leaves nothing to the next.

    Raises:
        AffectZooError: It failed.
        SystemExit: It was interrupted or terminated, or this process was: with the same status.
    """
    process = subprocess.Popen([sys.executable, "-m", "affectzoo", *arguments])

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status in STOPPED:
        print("affectzoo: stopped; the same cross-validation goes on where it was", file=sys.stderr)
        raise SystemExit(STOPPED[status])
    if status:
        raise AffectZooError(
            f"affectzoo {' '.join(arguments)} failed; once that is mended, the same cross-validation goes on"
        )


def summary(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Mean and sample standard deviation of each metric over folds.

    Args:
        records: One per fold, as ``affectzoo test`` writes them, in the order of the folds.

    Returns:
        A row per metric (``<metric>`` over faces, ``clip_<metric>`` over clips) with ``mean``, ``sd`` and
        each fold's value, ``fold_0`` and so on.
    """
    values = pd.DataFrame([_scalars(record) for record in records]).T
    values.columns = [f"fold_{fold}" for fold in range(len(records))]
    values.insert(0, "mean", values.mean(axis=1))
    values.insert(1, "sd", values.iloc[:, 1:].std(axis=1, ddof=1))
    return values.rename_axis("metric")


def _scalars(record: Mapping[str, Any]) -> dict[str, float]:
    figures = {"": record["metrics"], "clip_": (record.get("clips") or {"metrics": {}})["metrics"]}
    return {
        f"{prefix}{name}": figure["value"]
        for prefix, metrics in figures.items()
        for name, figure in metrics.items()
    }


def summary_table(metrics: pd.DataFrame, title: str) -> Table:
    """``summary`` as a table for people."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("metric")
    for name in metrics.columns:
        table.add_column(str(name).replace("_", " "), justify="right")
    for metric, row in metrics.iterrows():
        table.add_row(metric_title(str(metric)), *(f"{value:.4f}" for value in row))
    return table


def run(arguments: Sequence[str]) -> None:
    """Run the command line.

    Args:
        arguments: What follows ``affectzoo cross-validate``.

    Raises:
        AffectZooError: See ``cross_validate``.
        SystemExit: With 2 when the arguments are wrong.
    """
    args, options = build_parser().parse_known_args(list(arguments))
    config = args.config or recipe_path(args.recipe)
    check_recipe(config)
    command = shlex.join(["affectzoo", "cross-validate", *arguments])
    folder = cross_validate(config, options, args.folds, args.run_dir, command=command)
    metrics = pd.read_csv(folder / "cross_validation.csv", index_col="metric")
    console = stdout()
    console.print(summary_table(metrics, f"{folder.name}: {args.folds} folds"))
    console.print(f"record, predictions, table: {folder}")
