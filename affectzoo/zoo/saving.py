"""Save a model as a folder that loads again and that a repository on the Hub can hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo import store, weights
from affectzoo.files.folders import user_path
from affectzoo.files.writing import write_json
from affectzoo.zoo.loading import write_sealed

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


def save_pretrained(model: AffectModel, folder: str | Path, *, half: bool = False) -> Path:
    """Save a model: ``model.safetensors`` with a golden face, and ``config.json``, which says what it is.

    ``affectzoo.load`` and ``AffectModel.from_pretrained`` take the folder, also from the Hub. Where the
    values are no longer those that were loaded, training and results of these are not repeated: they are
    named as the weights that it started from, with their terms.

    Args:
        model: In any mode, on any device.
        folder: Made where it is not there; files of these names are replaced.
        half: Store floating values as float16, half as large and rounded.

    Returns:
        The folder.

    Raises:
        WeightsError: Values are not finite, or float16 cannot hold them.
        OutputError: The folder cannot be written.
    """
    folder = user_path(folder)
    path, meta = folder / weights.FILE_NAME, _current_meta(model)
    write_sealed(path, model.network_state(), meta, half=half)
    found = weights.fingerprint(model.network_state())
    config = store.config_of(meta, path, tensors_sha256=found)
    write_json(folder / store.CONFIG_NAME, config)
    return folder


def _current_meta(model: AffectModel) -> weights.WeightsMeta:
    """Describe a model as it is now, which may have been trained on since its weights were loaded."""
    meta = model.describe()
    if model.meta is None or model.start is None or model.source is None:
        return meta
    if model.source.is_file():
        loaded = weights.fingerprint(weights.read_tensors(model.source))
        if loaded == weights.fingerprint(model.network_state()):
            return meta
    training = weights.Training(started_from=model.start.name)
    return replace(meta.untrained(), training=training, license=model.start.license)
