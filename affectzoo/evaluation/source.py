"""A data set by name, as the data commands take it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from affectzoo.errors import AffectZooError
from affectzoo.registry import data_set

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex


def options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options of a data module from ``KEY=VALUE`` texts; values are read as YAML.

    Raises:
        AffectZooError: A text without ``=``.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise AffectZooError(f"--set {pair}: expected KEY=VALUE, such as part=compound")
        found[key] = yaml.safe_load(value)
    return found


def read(name: str, root: Path, **arguments: Any) -> FaceIndex:
    """A data set's index in its own label space.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: Its folder.
        **arguments: Of its data module, such as ``fold`` or ``part``.

    Raises:
        UnknownNameError: There is no such data set.
        AffectZooError: The data module has no such argument, or cannot read the files.
    """
    try:
        module = data_set(name).load_class()(str(root), **arguments)
    except TypeError as error:
        raise AffectZooError(f"{name}: {error}") from None
    return module.read()
