"""Features of faces, crafted by hand or learned, and the classifiers that are fitted on them."""

from __future__ import annotations

import importlib
from typing import Any

from affectzoo.errors import AffectZooError


def library(module: str) -> Any:
    """Import a module of scikit-learn or scikit-image, which not every installation has.

    Args:
        module: Such as ``sklearn.svm``.

    Raises:
        AffectZooError: The library is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise AffectZooError(
            f'features and classifiers need {error.name}: pip install "affectzoo[baselines]"'
        ) from None
