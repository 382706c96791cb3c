"""A checkpoint read, and its tensors put into a network of the zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from affectzoo.errors import AffectZooError, LabelError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files import fetch
from affectzoo.files.folders import user_path
from affectzoo.labels import SPACES, LabelSpace, label_space
from affectzoo.models.inference import inference
from affectzoo.registry import architecture
from affectzoo.weights import WeightsMeta, license_terms
from affectzoo.zoo.checkpoints import Tensors, read_checkpoint
from affectzoo.zoo.importing.placing import Names, Pair, place
from affectzoo.zoo.importing.report import ImportReport
from affectzoo.zoo.loading import described
from affectzoo.zoo.work import check_work

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


def import_checkpoint(
    path: str | Path,
    arch: str | None = None,
    *,
    task: str | None = None,
    labels: Sequence[str] | str | LabelSpace | None = None,
    mapping: Names | None = None,
    arguments: Mapping[str, Any] | None = None,
    preprocess: Preprocess | None = None,
    license: Mapping[str, str] | None = None,
) -> ImportReport:
    """Read a checkpoint and find each tensor's place in a network of the zoo; nothing is written.

    A Lightning checkpoint of affectzoo describes itself: it takes no options but ``license``.

    Args:
        path: ``.pt``, ``.pth``, ``.bin``, ``.ckpt`` or ``.safetensors``.
        arch: The architecture.
        task: What it predicts, see ``affectzoo.create_model``; by default the expression. For ``va`` the
            checkpoint's outputs must be valence and arousal, in this order.
        labels: What the outputs mean, in their order; never reordered.
        mapping: What beginnings of names become, see ``placing``; goes before what is found without it.
        arguments: Of the architecture, such as ``head_units``.
        preprocess: How the network's faces are prepared; by default the architecture's own.
        license: Terms by subject: weights, code, starting weights, images, labels.

    Raises:
        AffectZooError: An option is wrong.
        WeightsError: The checkpoint cannot be read, or holds values that are not finite.
    """
    path = user_path(path)
    license = license_terms(license or {})
    checkpoint = read_checkpoint(path)
    if checkpoint.meta is not None:
        meta = checkpoint.meta
        options = {"task": task, "labels": labels, "map": mapping, "set": arguments, "preprocess": preprocess}
        _refuse_options(path, meta, arch, [name for name, value in options.items() if value])
        license = {**meta.license, **license}
        notes = [f"Faces are prepared as the checkpoint says: {_in_words(meta.preprocess)}."]
    else:
        meta = _described(path, arch, task, labels, arguments or {}, preprocess)
        notes = _assumptions(meta, given=preprocess is not None)
    model = described(meta, str(path))
    check_work(model, str(path), max(meta.window, meta.eval_window))

    source = _with_counters(checkpoint.tensors)
    if len(source) > len(checkpoint.tensors):
        notes.append("Batch norm's counts of batches, which old checkpoints lack, are 0; nothing uses them.")
    own = model.network_state()
    places = place(source, own, mapping or {}, meta.arch)
    pairs = [
        Pair(old, new, tuple(source[old].shape), tuple(own[new].shape)) for old, new in places.items() if new
    ]
    taken = {pair.new for pair in pairs}
    notes_of_import = {"imported_from": path.name, "sha256": fetch.sha256(path)}
    training = replace(meta.training, notes={**meta.training.notes, **notes_of_import})
    report = ImportReport(
        source=path,
        meta=replace(meta, arguments=model.arguments, metrics=(), training=training, license=license),
        mapped=tuple(pair for pair in pairs if pair.fits),
        missing={name: tuple(tensor.shape) for name, tensor in own.items() if name not in taken},
        unexpected={name: tuple(tensor.shape) for name, tensor in source.items() if name not in places},
        misshapen=tuple(pair for pair in pairs if not pair.fits),
        left_out=(*checkpoint.left_out, *(old for old, new in places.items() if new is None)),
        notes=tuple(notes),
    )
    if report.faults:
        return report
    tensors = {pair.new: _values(source[pair.old], own[pair.new], pair) for pair in pairs}
    model.load_state_dict(tensors, assign=True)
    model.to("cpu").eval()
    _check_size(model)
    return replace(report, model=model)


def _check_size(model: AffectModel) -> None:
    """Refuse faces of a size or color that the network cannot take."""
    size, channels = model.preprocess.size, model.preprocess.channels
    points = torch.zeros(1, model.landmarks, 2) if model.landmarks else None
    try:
        with inference(model):
            model(torch.zeros(1, channels, size, size), points)
    except RuntimeError as error:
        told = str(error).partition("\n")[0]
        raise AffectZooError(
            f"preprocess: {model.arch} cannot take {channels} x {size} x {size} faces ({told})"
        ) from None


def _refuse_options(path: Path, meta: WeightsMeta, arch: str | None, given: Sequence[str]) -> None:
    """What a checkpoint says of itself is not for the user to say."""
    if given or arch not in (None, meta.arch):
        raise WeightsError(
            f"{path}: a checkpoint of affectzoo, which says that it is {meta.arch} for "
            f"{', '.join(meta.labels) or meta.task}; exclude {', '.join(given) or f'arch {arch}'}"
        )


def _described(
    path: Path,
    arch: str | None,
    task: str | None,
    labels: Sequence[str] | str | LabelSpace | None,
    arguments: Mapping[str, Any],
    preprocess: Preprocess | None,
) -> WeightsMeta:
    """What the user says of a checkpoint that does not describe itself."""
    if arch is None:
        raise AffectZooError(f"{path}: does not say what it is; name that, such as --arch resnet18")
    kind = architecture(arch).load_class()
    task = task or "expression"
    if labels is None and task in ("expression", "multitask"):
        raise LabelError(
            f"{path}: name what the outputs mean, in their order: --labels neutral,happiness,... (in Python "
            "labels=[...]), or --task va for valence and arousal"
        )
    names = () if labels is None else label_space(labels).names
    prepared = preprocess or kind.preprocess_for(arguments)
    return WeightsMeta(arch, names, prepared, arguments, task=task, sequence=kind.sequence)


def _assumptions(meta: WeightsMeta, given: bool) -> list[str]:
    said = "as said" if given else f"as {meta.arch}'s own, for the checkpoint does not say it"
    notes = [f"Faces are prepared {said}: {_in_words(meta.preprocess)}."]
    alike = [s for s in SPACES.values() if set(s.names) == set(meta.labels) and s.names != meta.labels]
    if alike and not any(space.names == meta.labels for space in SPACES.values()):
        notes.append(f"The labels are those of {alike[0].name} in another order, which is kept.")
    if meta.task in ("va", "multitask"):
        notes.append("Of the two values, the first is taken for valence, the second for arousal.")
    return notes


def _in_words(preprocess: Preprocess) -> str:
    """How faces are prepared, in words."""
    cut = "" if preprocess.resize is None else f", the middle of {preprocess.resize} x {preprocess.resize}"
    color = "RGB" if preprocess.color == "rgb" else "gray"
    mean, std = (" ".join(f"{v:.6g}" for v in values) for values in (preprocess.mean, preprocess.std))
    larger = f", {preprocess.margin:.0%} larger" if preprocess.margin else ""
    area = (
        "the face box, stretched"
        if preprocess.shape == "stretch"
        else "a square on the face box's longer edge"
    )
    return (
        f"{area}{larger}; {color}, "
        f"{preprocess.size} x {preprocess.size} pixels{cut}; values 0 to 1, less mean {mean}, by std {std}"
    )


def _with_counters(tensors: Tensors) -> Tensors:
    """The same with the counts of batches that batch norm has since PyTorch 0.4.1."""
    ready: Tensors = {}
    for name, tensor in tensors.items():
        ready[name] = tensor
        layer = name.removesuffix("running_var")
        if layer != name and f"{layer}num_batches_tracked" not in tensors:
            ready[f"{layer}num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    return ready


def _values(tensor: torch.Tensor, own: torch.Tensor, pair: Pair) -> torch.Tensor:
    if tensor.is_floating_point() != own.is_floating_point():
        raise WeightsError(f"{pair.old} holds {tensor.dtype}, {pair.new} is {own.dtype}")
    values = tensor.detach().to(own.dtype).reshape(pair.expected)
    if values.is_floating_point() and not torch.stack(values.aminmax()).isfinite().all():  # of NaN: NaN
        raise WeightsError(f"{pair.old} holds values that are not finite; did the training diverge?")
    return values
