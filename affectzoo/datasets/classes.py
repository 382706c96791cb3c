"""Find images in folders per class, inside folders per part or not: your own, and data sets repacked so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from affectzoo.datasets.index import SPLITS, part_of
from affectzoo.errors import DataError
from affectzoo.files.folders import Listing, count, look, peek
from affectzoo.files.images import SUFFIXES


class ClassFolder(NamedTuple):
    """A folder of images of one class.

    Attributes:
        part: ``train``, ``valid`` or ``test``; ``None`` where the root has no folders for parts.
        path: The folder, whose name is the class.
        images: Names of the images in it.
    """

    part: str | None
    path: Path
    images: tuple[str, ...]


def class_folders(root: Path) -> list[ClassFolder]:
    """The folders of classes below a root that hold images; what else is there is told as not used.

    Args:
        root: Holds a folder per class, or a folder per part (see ``PART_NAMES``) with one per class in each.

    Raises:
        DataError: Two folders stand for the same part.
    """
    found = []
    places = [(None, look(root)), *((part, look(root / name)) for name, part in _parts(root).items())]
    for part, place in places[1:] or places:
        count("image outside of class folders", len(images_of(place)))
        if part is not None and not place.folders:
            count(f"folder of a part without classes: {place.path.name}", 1)
        for listing in (look(place.path / name) for name in place.folders):
            images = images_of(listing)
            shown = listing.path.relative_to(root).as_posix()
            if images:
                found.append(ClassFolder(part, listing.path, images))
            else:
                count(f"class folder without images: {shown}", 1)
            for name in set(listing.files) - set(images):
                count(f"file that is no image: {Path(name).suffix.lower() or 'no ending'}", 1)
            for name in listing.folders:
                count(f"images in a folder inside {shown}", len(images_of(peek(listing.path / name))))
    names = {folder.path.name for folder in found}
    for part in dict.fromkeys(folder.part for folder in found if folder.part):
        for name in sorted(names - {folder.path.name for folder in found if folder.part == part}):
            count(f"class without images in the {part} part: {name}", 1)
    return found


def images_of(listing: Listing) -> tuple[str, ...]:
    """The names of the images in a folder."""
    return tuple(name for name in listing.files if Path(name).suffix.lower() in SUFFIXES)


def looks_like_classes(root: Path, names: Sequence[str]) -> bool:
    """Whether a root's folders, or those of its parts, are called as these classes and hold images."""
    if not root.is_dir():
        return False
    places = [root / name for name in _parts(root)] or [root]
    folders = [place / name for place in places for name in peek(place).folders]
    known = [path for path in folders if path.name.strip().lower() in names]
    return bool(known) and any(images_of(peek(path)) for path in known)


def _parts(root: Path) -> dict[str, str]:
    """Folders that stand for parts, in the order of ``SPLITS``; none where no such folder holds folders."""
    found: dict[str, str] = {}
    for name in peek(root).folders:
        part = part_of(name)
        if part is None:
            continue
        other = next((before for before, of in found.items() if of == part), None)
        if other is not None:
            raise DataError(f"{root / name}: {other} is the {part} part too; keep one, or merge them")
        found[name] = part
    if not any(peek(root / name).folders for name in found):
        return {}
    return dict(sorted(found.items(), key=lambda item: SPLITS.index(item[1])))
