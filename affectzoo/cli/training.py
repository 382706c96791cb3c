"""``affectzoo fit``, ``validate``, ``test`` and ``cross-validate``, which read their options themselves."""

from __future__ import annotations

from collections.abc import Sequence

COMMANDS = {
    "fit": "train a model by a recipe",
    "validate": "evaluate on the validation part",
    "test": "evaluate on the test part, with a confusion matrix",
    "cross-validate": "fit and test on every fold, then mean and spread per metric",
}
"""What each does, by name."""


def run(given: Sequence[str]) -> None:
    """Run one of them.

    Args:
        given: What follows ``affectzoo``, beginning with the command's name.

    Raises:
        AffectZooError: The work failed.
        SystemExit: With 2 when the arguments are wrong.
    """
    if given[0] == "cross-validate":
        from affectzoo.training.crossvalidation import run

        run(given[1:])
    else:
        from affectzoo.training.command import run

        run(given)
