"""SFEW 2.0, the still frames of the EmotiW 2015 challenge: films, seven classes.

Dhall, Goecke, Lucey, Gedeon, "Static Facial Expression Analysis in Tough Conditions: Data, Evaluation
Protocol and Benchmark", ICCVW 2011; EmotiW 2015. Access: signed agreement, research only.

Layout (parts are folders whose names begin with Train, Val or Test, in any case)::

    root/Train/Angry/SomeMovie_001234560_00000012.png                film stills; the folder is the label
    root/Val/Angry/...
    root/Test/*.png                                                  without labels
    root/[Train/]Train_Aligned_Faces/Angry/...                       the organisers' face crops
    root/[Val/]Val_Aligned_Faces_new/Angry/...

The crops are told from the stills by ``aligned`` in a folder's name. About 130 of them hold no usable
face; they are kept, as in the challenge. The validation part is what papers report.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from affectzoo.datasets.afew import LABELS, SPLITS, expression, walk_part
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.images import SUFFIXES

Pictures = Literal["aligned", "original"]


@reader
def read_sfew(root: Path, pictures: Pictures = "aligned") -> FaceIndex:
    """Index SFEW 2.0; images without a label (the test part) are excluded and counted.

    Args:
        root: The folder that holds the parts. Parts that are not there are excluded.
        pictures: ``aligned``: the organisers' face crops; ``original``: whole film stills, without boxes.

    Raises:
        DataNotFoundError: There is no labeled image of the kind asked for.
        DataError: An image is twice in one part, in one or two classes.
    """
    left_out: Counter[str] = Counter()
    rows = []
    for prefix, split in SPLITS.items():
        seen: dict[str, Path] = {}
        for listing in walk_part(root, prefix):
            folder = listing.path
            aligned = "aligned" in folder.relative_to(root).as_posix().lower()
            if aligned != (pictures == "aligned"):
                continue
            label = expression(folder)
            for path in (folder / name for name in listing.files):
                if path.suffix.lower() not in SUFFIXES:
                    continue
                if label is None:
                    left_out["image without label"] += 1
                    continue
                with one_row():
                    if seen.setdefault(path.stem, path) != path:
                        raise DataError(f"{path}: the image is also in {seen[path.stem].parent}")
                    rows.append(
                        {
                            "path": path.relative_to(root).as_posix(),
                            "split": split,
                            "label": label,
                            "target": one_hot(LABELS, label),
                            "source": str(path),
                        }
                    )
    if not rows:
        other = "original" if pictures == "aligned" else "aligned"
        places = {
            "aligned": ["Train_Aligned_Faces/Angry/*.png", "Train/Train_Aligned_Faces/Angry/*.png"],
            "original": ["Train/Angry/*.png", "Val/Angry/*.png"],
        }
        hint = f"sfew (no {pictures} images; --data.pictures {other} takes the others)"
        raise DataNotFoundError(hint, root, places[pictures])
    return FaceIndex.from_rows("sfew", root, LABELS, rows, left_out)
