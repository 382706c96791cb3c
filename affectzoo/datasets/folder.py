"""Your own images, one folder per class.

Layout (parts may be called as in ``PART_NAMES``, in any case)::

    root/<class>/*.jpg                    all in one part, or
    root/{train,valid,test}/<class>/*.jpg
"""

from __future__ import annotations

from pathlib import Path

from affectzoo.datasets.classes import class_folders
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataNotFoundError
from affectzoo.labels import canonical, label_space


@reader
def read_folder(root: Path, split: str = "test") -> FaceIndex:
    """Index a folder of ready crops.

    The label space is the folders' names, in alphabetical order; a model's own space is reached by
    ``FaceIndex.conform``. Folders without images are no classes; they, and whatever else is there, are
    counted in ``FaceIndex.unused``.

    Args:
        root: Holds a folder per class, or one per part with a folder per class in each.
        split: The part that all images belong to when the root has no folders for parts.

    Raises:
        DataNotFoundError: The root is missing or has no class folder with an image in it.
        DataError: Two folders stand for the same part.
    """
    folders = class_folders(root) if root.is_dir() else []
    if not folders:
        forms = ["<class>/<picture>.jpg", "train/<class>/<picture>.jpg"]
        raise DataNotFoundError("folder", root, forms)
    labels = label_space(sorted({canonical(folder.path.name) for folder in folders}))
    rows = [
        {
            "path": (folder.path / name).relative_to(root).as_posix(),
            "split": folder.part or split,
            "label": canonical(folder.path.name),
            "target": one_hot(labels, folder.path.name),
            "source": str(folder.path / name),
        }
        for folder in folders
        for name in folder.images
    ]
    return FaceIndex.from_rows("folder", root, labels, rows)
