"""The LightningModule of each architecture; recipes name them as ``affectzoo.modules.NAME``.

Each is made from the registry: ``affectzoo.modules.AlexNet`` is ``affectzoo.models.alexnet.AlexNet`` with
``AffectModule`` before it, so it has the arguments of both. ``lightning_module`` makes one of a loaded model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from affectzoo.errors import OptionError
from affectzoo.models.base import AffectModel
from affectzoo.models.skeleton import skeleton
from affectzoo.modules.base import AffectModule
from affectzoo.modules.freezing import freeze
from affectzoo.registry import architecture, by_class, class_names

__all__ = ["AffectModel", "AffectModule", "lightning_module", "module_class"]


@cache
def module_class(arch: str) -> type[AffectModule]:
    """Make the LightningModule of an architecture.

    Args:
        arch: Its name in the registry.

    Raises:
        UnknownNameError: There is no such architecture.
    """
    network = architecture(arch).load_class()
    made: type[AffectModule] = type(
        network.__name__, (AffectModule, network), {"__module__": __name__, "__doc__": network.__doc__}
    )
    return made


def lightning_module(model: AffectModel, **training: Any) -> AffectModule:
    """Make the LightningModule of a model, to train or test it with a ``Trainer``.

    >>> model = affectzoo.load("dlp_cnn_s.ferplus")
    >>> trainer.fit(affectzoo.modules.lightning_module(model, optimizer=OptimizerSettings(lr=0.01)), data)

    Args:
        model: Such as ``affectzoo.load`` returns. Its tensors are shared: what trains the module trains it.
        **training: Losses, optimizer and so on, see ``AffectModule``.

    Returns:
        A module with the model's task, labels, preprocessing, metadata and tensors, in training mode.

    Raises:
        OptionError: ``va_loss`` has a scale, for which a head of its own is needed: build the module by
            ``module_class(arch)``, with ``weights``.
    """
    if getattr(training.get("va_loss"), "scale", 1.0) != 1.0:
        raise OptionError(
            "va_loss with a scale trains a head of its own, which cannot share the model's tensors: "
            "name the model's file as weights of affectzoo.modules' class, or train by a recipe"
        )
    with skeleton():
        made = module_class(model.arch)(
            task=model.task_name,
            labels=None if model.labels is None else list(model.labels.names),
            preprocess=model.preprocess,
            clip_rule=model.clip_rule,
            **model.arguments,
            **training,
        )
    made.trunk, made.heads = model.trunk, model.heads
    made.meta, made.start, made.source = model.meta, model.start, model.source
    made.starts_trained = model.starts_trained
    freeze(made.trunk, made.frozen)
    return made.train()


def __getattr__(name: str) -> type[AffectModule]:
    entry = by_class(name)
    if entry is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return module_class(entry.name)


def __dir__() -> list[str]:
    return sorted([*__all__, *class_names()])
