"""Exported files of models that are asked for by name, kept between uses."""

from __future__ import annotations

import sys
from pathlib import Path

from affectzoo import __version__, store
from affectzoo.console import visible
from affectzoo.export.described import FORMAT
from affectzoo.export.onnx_model import SUFFIX
from affectzoo.files.fetch import home, sha256


def exported(name: str | Path, weights: str | None = None) -> Path:
    """Return a model's ONNX file, which is made the first time; that alone needs torch.

    Args:
        name: What ``affectzoo.load`` takes.
        weights: As there.

    Raises:
        AffectZooError: There is no such model, or it cannot be exported.
    """
    location = store.locate(name) if weights is None else store.locate(weights, str(name))
    store.verify(location)
    path = home() / "onnx" / f"{sha256(location.path)[:32]}-{__version__}-{FORMAT}{SUFFIX}"
    if not path.is_file():
        from affectzoo.export.exporting import export_model
        from affectzoo.zoo.loading import load

        print(visible(f"affectzoo: exporting {name} for ONNX Runtime, once: {path}"), file=sys.stderr)
        export_model(load(name, weights=weights), path)
    return path
