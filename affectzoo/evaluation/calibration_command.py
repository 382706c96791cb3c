"""``affectzoo calibrate``: fit a model's probabilities on faces, and write it anew."""

from __future__ import annotations

import argparse

from affectzoo.console import stderr, stdout
from affectzoo.errors import WeightsError
from affectzoo.evaluation import source
from affectzoo.evaluation.calibration import RELIABLE, calibrate, write_calibrated
from affectzoo.evaluation.evaluate import Pass
from affectzoo.files.writing import try_writing
from affectzoo.zoo.importing.report import check_out
from affectzoo.zoo.loading import load


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo calibrate``.

    Raises:
        AffectZooError: It cannot be done as asked.
    """
    from rich.table import Table

    target = check_out(args.out)
    try_writing(target)
    model = load(args.model)
    if target.exists() and model.source is not None and target.samefile(model.source):
        raise WeightsError(f"{target}: the weights to calibrate are not replaced; choose another name")
    found = source.roots("--data", [args.data])
    (name, root), *_ = found.items()
    index = source.read(name, root).part(args.split)
    done = calibrate(model, index, Pass(on_unreadable="skip"), balance=args.balance)
    out = write_calibrated(model, done, f"{name} {args.split}", target)
    table = Table("", "before", "after", title=f"{args.model} on {done.faces:,} faces of {name} {args.split}")
    for what, (before, after) in (
        ("expected calibration error", done.ece),
        ("accuracy", done.accuracy),
        ("mean diagonal", done.mean_diagonal),
    ):
        table.add_row(what, f"{before:.4f}", f"{after:.4f}")
    console = stdout()
    console.print(table)
    if done.at_an_end:
        stderr().print(
            f"temperature {done.temperature:.4g} is at the end of what is tried: the scores hardly fit these "
            "faces; are they cut as the model expects, and are their classes right?",
            soft_wrap=True,
        )
    if done.sure is None:
        sure = f"no threshold leaves {RELIABLE:.0%} of the answered faces right"
    else:
        sure = (
            f"threshold {done.sure.threshold:g}: {done.sure.answered:.0%} of the faces are answered by "
            f"predict --abstain, {done.sure.accuracy:.1%} of these rightly"
        )
    console.print(sure, markup=False, soft_wrap=True)
    console.print(f"temperature {done.temperature:.4g}; written: {out}", markup=False, soft_wrap=True)
