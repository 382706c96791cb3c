"""The zoo's front door: list models, build them, load them with weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from affectzoo import store
from affectzoo import weights as files
from affectzoo.errors import AffectZooError, OptionError, UnknownNameError, WeightsError
from affectzoo.files.writing import try_writing
from affectzoo.labels import MOST, TASKS, LabelSpace, label_space
from affectzoo.models.layers import init_msra
from affectzoo.models.skeleton import skeleton
from affectzoo.registry import ARCHITECTURES, architecture
from affectzoo.zoo import golden
from affectzoo.zoo.work import check_size, check_work

if TYPE_CHECKING:
    import torch

    from affectzoo.models.base import AffectModel
    from affectzoo.tasks.heads import TaskName


def list_models(task: str | None = None, pretrained: bool = False) -> list[str]:
    """Names that ``create_model`` or, with ``pretrained``, ``load`` takes.

    Args:
        task: Only models of this task, for example ``expression``.
        pretrained: List sets of weights (``arch.tag``) instead of architectures.

    Raises:
        UnknownNameError: There is no such task.
    """
    if task is not None and task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if pretrained:
        return [name for name, entry in store.entries().items() if task in (None, entry.meta.task)]
    return sorted(name for name, entry in ARCHITECTURES.items() if task is None or task in entry.tasks)


def create_model(
    name: str,
    *,
    task: str | None = None,
    labels: Sequence[str] | str | LabelSpace | None = None,
    num_classes: int | None = None,
    **arguments: Any,
) -> AffectModel:
    """Build an untrained model.

    Args:
        name: An architecture, see ``list_models``, or ``timm/NAME`` for a backbone of timm.
        task: What it shall predict; one of the architecture's tasks, by default the first, which for most is
            expression.
        labels: Class names in order, or a label space's name. Give this or ``num_classes`` for the tasks
            expression and multitask.
        num_classes: Number of classes; they are called ``class_0``, ``class_1`` and so on.
        **arguments: Of the architecture, for example ``dropout``.

    Raises:
        UnknownNameError: No such architecture or task.
        AffectZooError: Neither or both of ``labels`` and ``num_classes``, or an argument that is unknown or
            out of range.
    """
    if not isinstance(name, str):
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    if name.startswith("timm/"):
        name, arguments = "timm", {"backbone": name.removeprefix("timm/"), **arguments}
    entry = architecture(name)
    task = entry.tasks[0] if task is None else task
    if task not in entry.tasks:
        raise UnknownNameError(f"task of {name}", task, entry.tasks)
    if num_classes is not None and labels is not None:
        raise AffectZooError(f"{name}: {num_classes=} and {labels=} say the same; give one")
    if num_classes is not None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, Integral) or num_classes > MOST:
            raise OptionError(f"num_classes is {num_classes!r}; expected a whole number from 1 to {MOST:,}")
        labels = [f"class_{i}" for i in range(num_classes)]
    if task in ("expression", "multitask") and labels is None:
        raise AffectZooError(
            f"{name}: task {task} needs labels=[...] (or a label space's name) or num_classes=n"
        )
    names: Any = None if labels is None else list(label_space(labels).names)
    try:
        return entry.load_class()(task=cast("TaskName", task), labels=names, **arguments)
    except AffectZooError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:  # such as torch's, of a negative number of units
        raise OptionError(f"{name}: {error}") from None


def load(
    name: str | Path,
    *,
    weights: str | Path | None = None,
    labels: Sequence[str] | str | LabelSpace | None = None,
    **arguments: Any,
) -> AffectModel:
    """Load a pretrained model, ready to predict.

    The file's sha256 is compared with the published one, its tensors are loaded strictly, and its
    labels and preprocessing come with it.

    Args:
        name: ``arch.tag`` (see ``list_models(pretrained=True)``), a run's folder, or a
            ``.safetensors`` file that affectzoo wrote; or an architecture, with ``weights``.
        weights: A tag of the architecture ``name``, a run's folder or a file.
        labels: Keep the trunk but put a new, untrained head for these classes on it.
        **arguments: Of the architecture, instead of those that the weights were trained with.

    Returns:
        The model in evaluation mode, with ``.preprocess``, ``.labels`` and ``.meta``.

    Raises:
        UnknownNameError: Nothing of that name.
        WeightsError: The file is missing, damaged, altered, or made for something else.
        LabelError: ``labels`` that are none.
    """
    labels = None if labels is None else label_space(labels)
    if weights is None:
        location = store.locate(name)
    else:
        location = store.locate(weights, architecture(str(name)).name)
    store.verify(location)
    meta = files.read_meta(location.path)
    if weights is not None and meta.arch != name:
        raise WeightsError(f"{location.path}: weights of {meta.arch}, not of {name}")
    model = described(meta, str(location.path), labels, **arguments)
    check_work(model, str(location.path), max(meta.window, meta.eval_window), location.path)
    stored = files.read_golden(location.path)
    if not stored:  # which would find out
        try:
            check_size(model)
        except OptionError as error:
            raise WeightsError(f"{location.path}: {error}") from None
    called = store.public_name(name) if weights is None else store.public_name(weights, meta.arch)
    model.load_weights(location.path, new_head=labels is not None, name=called)
    if labels is not None:
        init_msra(model.heads.to_empty(device="cpu"))
    model.to("cpu").eval()  # Lightning would go on thinking that it is on the device of its birth
    golden.check(model, location.path, stored, heads=labels is None)
    return model


def seal(path: Path) -> None:
    """Put a golden face with the model's answers into a weights file, so that loading can test it.

    Raises:
        WeightsError: The file cannot be loaded.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*: no golden face")  # it gets one here
        model = load(path)
    assert model.meta is not None
    half = files.is_half(path)
    files.write(path, model.network_state(), model.meta, half=half, golden=golden.make(model))


def write_sealed(
    path: Path, tensors: Mapping[str, torch.Tensor], meta: files.WeightsMeta, *, half: bool = True
) -> None:
    """Write a weights file with a golden face; it is there once it is complete, an older one until then.

    Args:
        path: Where to.
        tensors: The network's state.
        meta: What it means.
        half: Store floating tensors as float16.

    Raises:
        WeightsError: The values cannot be stored so, or not be loaded again.
        OutputError: The file cannot be written.
    """
    try_writing(path)
    unsealed = path.with_name(f"{path.stem}.unsealed.safetensors")  # others may write beside it
    try:
        files.write(unsealed, tensors, meta, half=half)
        seal(unsealed)
        unsealed.replace(path)
    finally:
        unsealed.unlink(missing_ok=True)


def described(
    meta: files.WeightsMeta,
    where: str,
    labels: Sequence[str] | str | LabelSpace | None = None,
    **arguments: Any,
) -> AffectModel:
    """Build the model that weights describe, without memory: every tensor is still to come.

    Args:
        meta: Their description.
        where: Whose it is, for errors.
        labels: For a new head with these classes.
        **arguments: Of the architecture, instead of those described.

    Raises:
        WeightsError: The description names arguments that are not the architecture's own, such as those that
            would read other files, or that it cannot be built with.
    """
    if meta.arch not in ARCHITECTURES:
        unknown = UnknownNameError("architecture", meta.arch, ARCHITECTURES)
        raise WeightsError(f"{where}: the model's description is wrong: {unknown}")
    kind = architecture(meta.arch).load_class()
    own = kind.own_arguments()
    wrong = sorted(set(meta.arguments) - own)
    if wrong:
        raise WeightsError(
            f"{where}: the model's description is wrong: {meta.arch} has no argument {', '.join(wrong)} that "
            f"a file may set; it may set: {', '.join(sorted(own)) or 'none'}"
        )
    clash = sorted({"task", "preprocess", "num_classes"} & set(arguments))
    if clash:
        raise AffectZooError(
            f"{where}: {', '.join(clash)} come with the weights; other classes: labels=[...]"
        )
    if kind.sequence != meta.sequence:
        reads = ("windows of frames", "single faces")
        does, said = reads if kind.sequence else reads[::-1]
        raise WeightsError(f"{where}: the model's description is wrong: {meta.arch} reads {does}, not {said}")
    given = {**meta.arguments, **arguments}
    try:
        with skeleton():
            return create_model(
                meta.arch,
                task=meta.task if labels is None else "expression",
                labels=meta.label_space if labels is None else label_space(labels),
                preprocess=meta.preprocess,
                **given,
            )
    except (AffectZooError, KeyError, RuntimeError, ValueError) as error:
        told = json.dumps(given, default=str)
        raise WeightsError(f"{where}: {meta.arch} cannot be built with {told}: {error}") from None
