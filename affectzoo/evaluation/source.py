"""A data set by name, as the data commands take it."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.errors import OptionError
from affectzoo.files.text import parse_yaml
from affectzoo.registry import data_set

if TYPE_CHECKING:
    from affectzoo.datamodules.base import FaceDataModule
    from affectzoo.datasets.index import FaceIndex

LINKED = frozenset({"root", "preprocess", "labels"})
"""Arguments of data modules that are no options: they come from the command or from the model."""


def options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options of a data module from ``KEY=VALUE`` texts; values are read as YAML.

    Raises:
        OptionError: A text without ``=``, or a value that is no YAML.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise OptionError(f"--set {pair}: expected KEY=VALUE, such as part=compound")
        found[key.strip()] = parse_yaml(value, f"--set {pair}")
    return found


def roots(option: str, texts: Sequence[str], data: Sequence[str] = ()) -> dict[str, Path]:
    """Where data sets are, from the ``NAME=DIR`` texts of an option.

    Args:
        option: Its name, for errors.
        texts: What users typed; a ``DIR`` alone is of the one data set that may be meant.
        data: The data sets that may be meant; by default all.

    Raises:
        OptionError: A text does not say of which data set it is or where that is, or two are of one.
        UnknownNameError: There is no such data set.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or (data and Path(text).exists()):
            if len(data) != 1:
                one = data[0] if data else "ferplus"
                raise OptionError(f"{option} {text}: expected NAME=DIR, such as {one}={text}")
            name, folder = data[0], text
        if not folder.strip():
            raise OptionError(f"{option} {text}: the folder is empty; is a variable not set?")
        if data_set(name).name in found:
            raise OptionError(f"{option} {text}: there is already one for {name}, {found[name]}")
        found[name] = Path(folder)
    return found


def data_module(name: str, root: Path, options: Mapping[str, Any]) -> FaceDataModule:
    """Make a data set's data module, its options checked by name and type.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: Its folder.
        options: Of the data module, such as ``fold`` or ``part``.

    Raises:
        UnknownNameError: There is no such data set.
        OptionError: The data module has no such option, or one has a value of another kind.
    """
    import jsonargparse

    module = data_set(name).load_class()
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(module, skip=set(LINKED))
    defaults = vars(parser.get_defaults())
    known = f"(options: {', '.join(sorted(defaults))})"
    empty = [key for key, value in options.items() if value is None and defaults.get(key) is not None]
    if empty:  # the parser would take the default
        raise OptionError(f"{name}: {empty[0]} has no value {known}")
    try:
        parsed = parser.parse_object(dict(options))
    except (ArgumentError, TypeError, KeyError) as error:
        raise OptionError(f"{name}: {' '.join(str(error).split())} {known}") from None
    return module(str(root), **{key: parsed[key] for key in options})


def read(name: str, root: Path, **options: Any) -> FaceIndex:
    """Read a data set's index in its own label space.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: Its folder.
        **options: Of its data module, such as ``fold`` or ``part``.

    Raises:
        UnknownNameError: There is no such data set.
        AffectZooError: The data module has no such option, or cannot read the files.
    """
    return data_module(name, root, options).read()
