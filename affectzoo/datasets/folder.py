"""Your own pictures, one folder per class.

Layout::

    root/<class>/*.jpg                    all in one part, or
    root/{train,valid,test}/<class>/*.jpg
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from affectzoo.datasets.index import SPLITS, FaceIndex, one_hot
from affectzoo.errors import DataNotFoundError
from affectzoo.files.images import SUFFIXES
from affectzoo.labels import canonical, label_space


def read_folder(root: Path, split: str = "test") -> FaceIndex:
    """Index a folder of ready crops.

    The label space is the folders' names, in alphabetical order; a model's own space is reached by
    ``FaceIndex.conform``.

    Args:
        root: Holds a folder per class, or one per part with a folder per class in each.
        split: The part that all pictures belong to when the root has no folders for parts.

    Raises:
        DataNotFoundError: The root is missing or has no class folder with a picture in it.
    """
    root = Path(root)
    parts = {part: root / part for part in SPLITS if (root / part).is_dir()} or {split: root}
    files = [
        (part, path)
        for part, folder in parts.items()
        for path in sorted(folder.glob("*/*"))
        if path.is_file()
    ]
    pictures = [(part, path) for part, path in files if path.suffix.lower() in SUFFIXES]
    if not pictures:
        forms = ["<class>/<picture>.jpg", "train/<class>/<picture>.jpg"]
        raise DataNotFoundError("folder", root, forms)
    labels = label_space(sorted({canonical(path.parent.name) for _, path in pictures}))
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "split": part,
            "label": canonical(path.parent.name),
            "target": one_hot(labels, path.parent.name),
            "source": str(path),
        }
        for part, path in pictures
    ]
    left_out = Counter({"no picture": len(files) - len(pictures)} if files != pictures else {})
    return FaceIndex.from_rows("folder", root, labels, rows, left_out)
