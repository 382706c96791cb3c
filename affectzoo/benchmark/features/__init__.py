"""Features of faces, crafted by hand or learned, and the classifiers that are fitted on them."""

from __future__ import annotations

import importlib
from typing import Any

from affectzoo.packages import need


def library(module: str) -> Any:
    """Import a module of scikit-learn or scikit-image, which not every installation has.

    Args:
        module: Such as ``sklearn.svm``.

    Raises:
        MissingPackageError: The library is not installed; says how to install it.
    """
    need("features and classifiers", "baselines", module.partition(".")[0])
    return importlib.import_module(module)
