"""What to type in a shell to use weights, or to measure them again."""

from __future__ import annotations

import shlex

from affectzoo.weights import WeightsMeta


def use_command(meta: WeightsMeta, reference: str, recipe: str | None) -> str:
    """What to do with weights.

    Weights to start a training from are trained; models of clips or with landmarks, for which no picture is
    enough, are measured on data; all others predict.

    Args:
        meta: What the weights mean.
        reference: What to load them by.
        recipe: The one that they were trained with, where it is known.
    """
    if meta.training.get("fresh"):
        words = ["affectzoo", "fit", "--config", recipe or "RECIPE.yaml", "--data.root", "DIR"]
        return shlex.join([*words, "--model.weights", reference, "--model.new_head", "true"])
    if meta.training.get("window") or meta.arguments.get("landmarks"):
        words = ["affectzoo", "test", "--config", recipe or "RECIPE.yaml", "--data.root", "DIR"]
        for name in ("fold", "folds"):
            words += [f"--data.{name}", str(meta.training[name])] if name in meta.training else []
        return shlex.join([*words, "--model.weights", reference, "--model.new_head", "false"])
    return f"affectzoo predict photo.jpg --model {reference}"
