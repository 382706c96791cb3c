"""What to type in a shell to use weights, or to measure them again."""

from __future__ import annotations

import shlex

from affectzoo.weights import WeightsMeta


def use_command(meta: WeightsMeta, reference: str, recipe: str | None) -> str:
    """What to do with weights.

    Weights to start a training from are trained; all others predict.

    Args:
        meta: What the weights mean.
        reference: What to load them by.
        recipe: The one that they were trained with, where it is known.
    """
    if meta.fresh:
        words = ["affectzoo", "fit", "--config", recipe or "RECIPE.yaml", "--data.root", "DIR"]
        return shlex.join([*words, "--model.weights", reference, "--model.new_head", "true"])
    return f"affectzoo predict {'film.mp4' if meta.sequence else 'photo.jpg'} --model {reference}"


def measure_command(meta: WeightsMeta, reference: str, recipe: str, split: str | None = None) -> str:
    """How weights are measured on a part of their data set; by default on the recipe's."""
    words = ["affectzoo", "test", "--config", recipe, "--data.root", "DIR"]
    words += ["--data.test_split", split] if split else []
    for name, number in (("fold", meta.training.fold), ("folds", meta.training.folds)):
        words += [] if number is None else [f"--data.{name}", str(number)]
    return shlex.join([*words, "--model.weights", reference, "--model.new_head", "false"])
