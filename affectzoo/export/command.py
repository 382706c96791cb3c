"""``affectzoo export``: write the file, and tell what it takes, says and costs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from affectzoo.console import print_json, visible
from affectzoo.export.exporting import ENDINGS, Exported, Format, export_model


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo export``.

    Raises:
        AffectZooError: It cannot be done; no file is left then.
    """
    by_ending: Format = "torch" if args.out.suffix.lower() == ENDINGS["torch"] else "onnx"
    done = export_model(args.model, args.out, args.format or by_ending, calibrate=args.calibrate)
    if args.json:
        print_json(_facts(done))
    else:
        print(visible("\n".join(_told(done)), keep="\n"))


def _facts(done: Exported) -> dict[str, object]:
    """What was written, JSON-ready."""
    export = done.export
    return {
        "file": done.path,
        "bytes": done.path.stat().st_size,
        "arch": export.meta.arch,
        "precision": export.precision,
        "inputs": done.inputs,
        "outputs": done.outputs,
        "labels": export.meta.labels,
        "preprocess": export.meta.preprocess.to_dict(),
        "apart": done.apart,
        "calibration": export.calibration,
    }


def _told(done: Exported) -> Iterator[str]:
    export = done.export
    size = done.path.stat().st_size / 1e6
    yield f"written: {done.path} ({size:.1f} MB, {export.meta.arch}, {export.precision})"
    for name, inputs in (("takes", done.inputs), ("says", done.outputs)):
        yield f"{name}: {'; '.join(f'{key} {value}' for key, value in inputs.items())}"
    yield f"farthest from the model's own answers for its golden face: {done.apart:.1e}"
    if export.calibration is not None:
        told = export.calibration
        same = f"the same label for {told['same_label']:.1%}, " if "same_label" in told else ""
        yield (
            f"int8 beside float32 on {told['faces']} faces of calibration: {same}"
            f"{told['apart']:.3f} apart on average; {told['float32_layers']} layers are float32"
        )
    if done.path.suffix == ENDINGS["onnx"]:
        yield f"predict with it: affectzoo predict photo.jpg --model {shlex.quote(str(done.path))}"
