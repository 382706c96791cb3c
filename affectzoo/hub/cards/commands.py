"""What to type in a shell to use weights."""

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
